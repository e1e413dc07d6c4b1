"""Marks of pruned events: takes them out of every count. Each cursor that is behind its stream is settled."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from readstate.model import OrgMember
from readstate.store.pool import Database, Row
from readstate.store.read_cursor.lock import ROWS_PER_STEP, settle, settle_together
from readstate.store.read_cursor.sql import ADVANCE_CURSORS
from readstate.store.retention.pace import paced

CURSORS_PER_PAGE: Final = 1_000
CURSORS_PER_STEP: Final = 100

# A page of cursors. A cursor's rows are what it counts beyond its ranges: all of them, pruned or not.
FIND_BEHIND: Final = """
SELECT c.member_key, c.pruned_seq < s.pruned_seq AS behind, (c.read_count - r.positions)::int AS rows
  FROM (SELECT member_key, read_count, pruned_seq, all_read FROM read_cursor
         WHERE org_key = $1 AND member_key > $2 ORDER BY member_key LIMIT $3) c
 CROSS JOIN (SELECT pruned_seq FROM event_stream WHERE org_key = $1) s
 CROSS JOIN LATERAL (SELECT coalesce(sum(upper(r) - lower(r)), 0) AS positions FROM unnest(c.all_read) AS r) r
 ORDER BY c.member_key
"""

COUNTED_PER_STEP: Final = 5_000
"""Rows that one statement counts out."""

# As SETTLE, but the rows stay. They are only counted, in the index where vacuum has seen their pages. They go later, in
# the order in which they lie: see `pages.py`.
COUNT_OUT: Final = """
WITH stream AS MATERIALIZED (SELECT pruned_seq FROM event_stream WHERE org_key = $1),
reached AS MATERIALIZED (
    SELECT i.member_key, count(m.seq)::int AS rows,
           CASE WHEN count(m.seq) = $3 THEN max(m.seq) ELSE s.pruned_seq END AS pruned_seq
      FROM stream s
     CROSS JOIN (SELECT member_key, pruned_seq FROM read_cursor
                  WHERE org_key = $1 AND member_key = ANY ($2::bigint[]) OFFSET 0) i
      LEFT JOIN LATERAL (
        SELECT seq FROM read_mark m
         WHERE m.member_key = i.member_key AND m.org_key = $1 AND m.seq > i.pruned_seq AND m.seq <= s.pruned_seq
         ORDER BY m.seq LIMIT $3::int) m ON true
     GROUP BY i.member_key, s.pruned_seq)
{advance}
RETURNING c.member_key, r.rows, c.pruned_seq < (SELECT pruned_seq FROM stream) AS behind
""".replace("{advance}", ADVANCE_CURSORS)

COUNT_MARKS: Final = """
SELECT c.member_key, m.marks
  FROM (SELECT member_key FROM read_cursor WHERE org_key = $1 AND member_key > $2 ORDER BY member_key LIMIT $3) c
 CROSS JOIN LATERAL (
    SELECT count(*)::int AS marks FROM read_mark m
     WHERE m.member_key = c.member_key AND m.org_key = $1 AND m.seq <= $4) m
 ORDER BY c.member_key
"""


class MarkPruner:
    """Raises as `Database.run`."""

    def __init__(self, database: Database, *, leaves_rows: bool = False) -> None:
        """`leaves_rows`: marks are counted out and not deleted. A cursor that is busy is settled later, by itself, and
        its rows are deleted."""
        self._database = database
        self._step = settle_together
        self._per_step = ROWS_PER_STEP
        if leaves_rows:
            self._step = partial(settle_together, statement=COUNT_OUT, rows=COUNTED_PER_STEP)
            self._per_step = COUNTED_PER_STEP
        self._leaves_rows = leaves_rows

    async def prune(self, org_key: int) -> int:
        """Settle every cursor of the organisation that is behind; return how many marks that deleted."""
        marks, after, found = 0, 0, CURSORS_PER_PAGE
        while found == CURSORS_PER_PAGE:
            page = await paced(self._database.rows(FIND_BEHIND, org_key, after, CURSORS_PER_PAGE, repeatable=True))
            for member_keys in _steps(page, self._per_step):
                marks += await self._settle(org_key, member_keys)
            found, after = len(page), page[-1]["member_key"] if page else 0
        return marks

    async def count(self, org_key: int, up_to: int) -> int:
        """How many marks the organisation's members have of events up to this position."""
        marks, after, found = 0, 0, CURSORS_PER_STEP
        while found == CURSORS_PER_STEP:
            rows = await paced(
                self._database.rows(COUNT_MARKS, org_key, after, CURSORS_PER_STEP, up_to, repeatable=True)
            )
            marks += sum(row["marks"] for row in rows)
            found, after = len(rows), rows[-1]["member_key"] if rows else 0
        return marks

    async def _settle(self, org_key: int, member_keys: Sequence[int]) -> int:
        """Settle these. A cursor that is busy is waited for, after the others and without a lock on them."""
        marks, busy, left = 0, set(member_keys), member_keys
        while left:
            step = partial(self._step, org_key=org_key, member_keys=left)
            settled = await paced(self._database.run(step, repeatable=True))
            marks += 0 if self._leaves_rows else sum(row["rows"] for row in settled)
            busy -= {row["member_key"] for row in settled}
            left = [row["member_key"] for row in settled if row["behind"]]
        for member_key in sorted(busy):
            alone = partial(settle, member=OrgMember(member_key, org_key))
            marks += await paced(self._database.run(alone, repeatable=True))
        return marks


def _steps(page: Sequence[Row], most_rows: int) -> Iterator[list[int]]:
    """The members who are behind, so many at a time as have a step's rows together."""
    step: list[int] = []
    rows = 0
    for row in page:
        if not row["behind"]:
            continue
        if step and (rows + row["rows"] > most_rows or len(step) == CURSORS_PER_STEP):
            yield step
            step, rows = [], 0
        step.append(row["member_key"])
        rows += row["rows"]
    if step:
        yield step
