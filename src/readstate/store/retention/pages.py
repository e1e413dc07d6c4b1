"""Deletes marks that count no more in the order in which they lie, page by page of their table.

Marks lie in the order in which they were made, so those of one member lie in as many pages as there are marks. To
delete them member by member visits a page for each mark. To delete them page by page visits each page once.
"""

import time
from typing import Final

from readstate.store.pool import Database
from readstate.store.retention.pace import paced

FIRST_PAGES: Final = 16
MOST_PAGES: Final = 1_024
"""Of a step: 160,000 marks."""
AIM_SECONDS: Final = 0.025
"""For a step. A busy machine takes several times as long now and then: with 0.05 the longest took 0.36 s."""

# Of the largest partition, where there are several. 0 where another extension keeps the rows elsewhere.
FIND_PAGES: Final = """
SELECT coalesce(max(pg_relation_size(part)) / current_setting('block_size')::int, 0)::int AS pages
  FROM (SELECT 'read_mark'::regclass AS part UNION ALL SELECT relid FROM pg_partition_tree('read_mark')) p
"""

FIND_LAST: Final = "SELECT max(pruned_seq) AS last FROM event_stream"

# Of every partition the same pages. The cursor of each row is asked, by a look-up of its own. So it does not matter who
# is settled and who is behind. `$3` spares the look-up for rows that nobody has pruned.
DELETE_PAGES: Final = """
WITH gone AS (
    DELETE FROM read_mark m
     WHERE m.ctid >= $1::tid AND m.ctid < $2::tid AND m.seq <= $3
       AND (SELECT c.pruned_seq FROM read_cursor c
             WHERE c.org_key = m.org_key AND c.member_key = m.member_key) >= m.seq
    RETURNING 1)
SELECT count(*)::int AS rows FROM gone
"""


class PagePruner:
    """Raises as `Database.run`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pages(self) -> int:
        """How many pages of marks there are, at most, in one partition."""
        (row,) = await self._database.rows(FIND_PAGES, repeatable=True)
        return int(row["pages"])

    async def prune(self) -> int:
        """Delete the marks that their cursors count no more; return how many."""
        (row,) = await self._database.rows(FIND_LAST, repeatable=True)
        pages = await self.pages()
        marks, start, step = 0, 0, FIRST_PAGES
        while start < pages:
            deleted, seconds = await paced(self._delete(start, step, row["last"]))
            marks += deleted
            start += step
            step = max(1, min(MOST_PAGES, 2 * step, int(step * AIM_SECONDS / seconds)))
        return marks

    async def _delete(self, start: int, step: int, last: int) -> tuple[int, float]:
        """How many marks went of these pages, and in what time."""
        began = time.monotonic()
        (row,) = await self._database.rows(DELETE_PAGES, (start, 0), (start + step, 0), last, repeatable=True)
        return row["rows"], time.monotonic() - began
