"""Prunes organisations' streams: the longest prefix of events that are all older."""

from datetime import datetime
from typing import Final

from readstate.store.pool import Connection, Database
from readstate.store.recording import LOCK_STREAM
from readstate.store.retention.pace import paced

EVENTS_PER_STEP: Final = 2_000
"""The stream is locked for as long as a step takes: who records waits."""
EVENTS_PER_LOOK: Final = 20_000

# The first events of a stream from a position on, and those of them that come before every younger one. Times follow
# the order of positions only nearly, because an event's time is that of its transaction's beginning. So no time is
# searched for: each event that goes has been looked at.
_PREFIX: Final = """
next AS MATERIALIZED (
    SELECT e.seq, e.recorded_at < $2 AS old FROM system_event e
     WHERE e.org_key = $1 AND e.seq > {after} ORDER BY e.seq LIMIT $3),
prefix AS MATERIALIZED (
    SELECT max(seq) AS last FROM next
     WHERE seq < coalesce((SELECT min(seq) FROM next WHERE NOT old), 2147483647))"""

# After LOCK_STREAM: what is gone is deleted in the transaction that says so. Then whoever finds an event knows that it
# is above `pruned_seq`, and no call has to ask. In steps, so that no transaction holds a million locks.
PRUNE_EVENTS: Final = """
WITH stream AS MATERIALIZED (SELECT pruned_seq FROM event_stream WHERE org_key = $1),{prefix},
gone AS (
    DELETE FROM system_event
     WHERE org_key = $1 AND seq > (SELECT pruned_seq FROM stream) AND seq <= (SELECT last FROM prefix)
    RETURNING 1),
pruned AS (
    UPDATE event_stream s SET pruned_seq = p.last
      FROM prefix p
     WHERE s.org_key = $1 AND p.last IS NOT NULL
    RETURNING 1)
SELECT (SELECT count(*) FROM gone)::int AS events FROM pruned
""".replace("{prefix}", _PREFIX.replace("{after}", "(SELECT pruned_seq FROM stream)"))

LOOK: Final = "WITH {prefix} SELECT last FROM prefix".replace("{prefix}", _PREFIX.replace("{after}", "$4::int"))

FIND_PRUNED: Final = "SELECT pruned_seq FROM event_stream WHERE org_key = $1"


class EventPruner:
    """Raises as `Database.run`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def prune(self, org_key: int, before: datetime) -> int:
        """Delete the longest prefix of the organisation's events that were recorded before this; return how many.

        They count as read for everybody from then on.
        """

        async def step(connection: Connection) -> int:
            async with connection.transaction():
                await connection.rows(LOCK_STREAM, org_key)
                rows = await connection.rows(PRUNE_EVENTS, org_key, before, EVENTS_PER_STEP)
                return rows[0]["events"] if rows else 0

        total, pruned = 0, EVENTS_PER_STEP
        while pruned == EVENTS_PER_STEP:
            pruned = await paced(self._database.run(step, repeatable=True))
            total += pruned
        return total

    async def look(self, org_key: int, before: datetime) -> tuple[int, int]:
        """How many events `prune` would delete, and the position up to which."""
        rows = await self._database.rows(FIND_PRUNED, org_key, repeatable=True)
        last = first = rows[0]["pruned_seq"] if rows else 0
        looked_at = EVENTS_PER_LOOK
        while looked_at == EVENTS_PER_LOOK:
            (row,) = await paced(self._database.rows(LOOK, org_key, before, EVENTS_PER_LOOK, last, repeatable=True))
            looked_at = 0 if row["last"] is None else row["last"] - last
            last += looked_at
        return last - first, last
