"""System events: what organisations' streams hold."""

from collections.abc import Sequence
from typing import Final

from readstate.errors import EventIdsExhausted
from readstate.model import LARGEST_EVENT_ID, NewSystemEvent
from readstate.store.organizations import org_keys
from readstate.store.pool import Connection, Database

# A statement of its own, before the one that numbers: the snapshot of a single statement predates the lock, and eight
# recorders then left 48 gaps in 3,014 positions.
LOCK_STREAM: Final = "SELECT last_event_id FROM event_stream WHERE org_key = $1 FOR UPDATE"

# Inserts only what is missing, so that recording an id again changes nothing, and numbers only what it inserts, so
# that seq has no gap. Reads the stream's row again: the lock held since LOCK_STREAM keeps it still.
RECORD_EVENTS: Final = """
WITH missing AS MATERIALIZED (
    SELECT i.*, row_number() OVER (ORDER BY i.position) AS nth
      FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::text[],
                  $9::text[])
           WITH ORDINALITY AS i (event_id, type, title, payload, occurred_at, actor_id, subject_id, workspace_id,
                                 position)
     WHERE NOT EXISTS (SELECT FROM system_event e WHERE e.org_key = $1 AND e.event_id = i.event_id)),
inserted AS (
    INSERT INTO system_event (org_key, seq, event_id, type, title, payload, occurred_at,
                              actor_id, subject_id, workspace_id)
    SELECT $1, s.last_seq + m.nth, m.event_id, m.type, m.title, m.payload::jsonb, coalesce(m.occurred_at, now()),
           m.actor_id, m.subject_id, m.workspace_id
      FROM missing m, event_stream s
     WHERE s.org_key = $1)
UPDATE event_stream
   SET last_seq = last_seq + (SELECT count(*) FROM missing),
       last_event_id = greatest(last_event_id, (SELECT max(event_id) FROM missing))
 WHERE org_key = $1
"""

# After LOCK_STREAM: what is gone is deleted in the transaction that says so. Then whoever finds an event knows that it
# is above `pruned_seq`. In steps, so that no transaction holds a million locks.
PRUNE_EVENTS: Final = """
WITH step AS MATERIALIZED (
    SELECT pruned_seq AS low, least($2::int, last_seq, pruned_seq + $3::int) AS high
      FROM event_stream WHERE org_key = $1),
gone AS (
    DELETE FROM system_event
     WHERE org_key = $1 AND seq > (SELECT low FROM step) AND seq <= (SELECT high FROM step))
UPDATE event_stream s SET pruned_seq = step.high
  FROM step
 WHERE s.org_key = $1 AND step.high > step.low
RETURNING step.high - step.low AS events
"""

EVENTS_PER_STEP: Final = 1_000


class EventStore:
    """The event table. Raises as `Database.run`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, org_id: str, events: Sequence[NewSystemEvent]) -> list[int]:
        """Append the events to the organisation's stream, all or none; return their ids in order.

        An id that the organisation has already is left as it is. Safe to repeat only if every event brings its id.

        Raises:
            EventIdsExhausted: an id must be assigned and none is left.
        """

        async def work(connection: Connection) -> list[int]:
            async with connection.transaction():
                return await _record(connection, org_id, events)

        repeatable = all(event.event_id is not None for event in events)
        return await self._database.run(work, repeatable=repeatable)

    async def prune(self, org_key: int, up_to: int) -> int:
        """Delete the organisation's events up to this `seq`, step by step; return how many. They count as read."""

        async def step(connection: Connection) -> int:
            async with connection.transaction():
                await connection.rows(LOCK_STREAM, org_key)
                rows = await connection.rows(PRUNE_EVENTS, org_key, up_to, EVENTS_PER_STEP)
                return rows[0]["events"] if rows else 0

        total = 0
        while pruned := await self._database.run(step, repeatable=True):
            total += pruned
        return total


async def _record(connection: Connection, org_id: str, events: Sequence[NewSystemEvent]) -> list[int]:
    org_key = (await org_keys(connection, [org_id]))[org_id]
    (stream,) = await connection.rows(LOCK_STREAM, org_key)
    event_ids = _assign_ids(events, stream["last_event_id"])
    # The first mention of an id wins, as it would had the events come in calls of their own.
    first = dict(zip(reversed(event_ids), reversed(events), strict=True))
    rows = [(event_id, first[event_id]) for event_id in dict.fromkeys(event_ids)]
    await connection.rows(
        RECORD_EVENTS,
        org_key,
        [event_id for event_id, _ in rows],
        [event.type for _, event in rows],
        [event.title for _, event in rows],
        [event.payload for _, event in rows],
        [event.occurred_at for _, event in rows],
        [event.actor_id for _, event in rows],
        [event.subject_id for _, event in rows],
        [event.workspace_id for _, event in rows],
    )
    return event_ids


def _assign_ids(events: Sequence[NewSystemEvent], last_event_id: int) -> list[int]:
    """The id of each event: its own, or the next above the largest of the organisation and of the call."""
    largest = max([last_event_id, *(event.event_id for event in events if event.event_id is not None)])
    event_ids = []
    for event in events:
        if event.event_id is None:
            largest += 1
        event_ids.append(largest if event.event_id is None else event.event_id)
    if largest > LARGEST_EVENT_ID:
        raise EventIdsExhausted
    return event_ids
