"""Recording: events of several calls get their ids and positions, and are inserted, in one transaction."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from readstate.errors import EventIdsExhausted, ReadStateError
from readstate.model import LARGEST_EVENT_ID, NewSystemEvent
from readstate.store import idempotency
from readstate.store.organizations import Organization, OrganizationGone
from readstate.store.pool import Connection, Row
from readstate.store.record_lane import Outcome, Record, Recorded

# A statement of its own, before the one that numbers: the snapshot of a single statement predates the lock, and eight
# recorders then left 48 gaps in 3,014 positions.
LOCK_STREAM: Final = "SELECT last_event_id FROM event_stream WHERE org_key = $1 FOR UPDATE"

_MISSING: Final = """SELECT i.*, row_number() OVER (ORDER BY i.position) AS nth
      FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::text[],
                  $9::text[])
           WITH ORDINALITY AS i (event_id, type, title, payload, occurred_at, actor_id, subject_id, workspace_id,
                                 position)
     WHERE NOT EXISTS (SELECT FROM system_event e WHERE e.org_key = $1 AND e.event_id = i.event_id)"""

# Inserts only what is missing, so that recording an id again changes nothing, and numbers only what it inserts, so
# that seq has no gap. Reads the stream's row again: the lock held since LOCK_STREAM keeps it still. Whoever erases the
# organisation holds that lock too. No row is returned where that has happened, and where the key is another one's.
RECORD_EVENTS: Final = """
WITH missing AS MATERIALIZED (
    {missing}),
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
 WHERE org_key = $1 AND EXISTS (SELECT FROM organization WHERE org_key = $1 AND org_id = $10)
RETURNING 1
""".replace("{missing}", _MISSING)

# The same in two statements, for a database that is sharded by organisation.
INSERT_EVENTS: Final = """
INSERT INTO system_event AS new (org_key, seq, event_id, type, title, payload, occurred_at,
                          actor_id, subject_id, workspace_id)
SELECT s.org_key, s.last_seq + m.nth, m.event_id, m.type, m.title, m.payload::jsonb, coalesce(m.occurred_at, now()),
       m.actor_id, m.subject_id, m.workspace_id
  FROM event_stream s
 CROSS JOIN (
    {missing}) m
 WHERE s.org_key = $1
RETURNING event_id
""".replace("{missing}", _MISSING)
RAISE_STREAM: Final = """
UPDATE event_stream SET last_seq = last_seq + $2::int, last_event_id = greatest(last_event_id, $3::bigint)
 WHERE org_key = $1 AND EXISTS (SELECT FROM organization WHERE org_key = $1 AND org_id = $4)
RETURNING 1
"""


async def record_all(connection: Connection, organization: Organization, records: Sequence[Record]) -> list[Outcome]:
    """Record what the calls bring, in their order, within the transaction that is open; return what became of each.

    Raises:
        OrganizationGone: the transaction has to be rolled back.
    """
    streams = await connection.rows(LOCK_STREAM, organization.key)
    if not streams:
        raise OrganizationGone
    kept = await _claim(connection, records)
    outcomes: list[Outcome] = []
    fresh: list[tuple[int, NewSystemEvent]] = []
    last_event_id = streams[0]["last_event_id"]
    for record, found in zip(records, kept, strict=True):
        outcome = found or _assigned(record, last_event_id)
        outcomes.append(outcome)
        if isinstance(outcome, Recorded) and outcome.event_ids:
            last_event_id = max([last_event_id, *outcome.event_ids])
            fresh += zip(outcome.event_ids, record.events, strict=True)
    await _insert(connection, organization, fresh)
    await _keep(connection, records, outcomes)
    return outcomes


async def _claim(connection: Connection, records: Sequence[Record]) -> list[Outcome | None]:
    """What a key says about its call: what an earlier one was told, why it may not go on, or nothing."""
    keyed = [record for record in records if record.keyed is not None]
    if not keyed:
        return [None] * len(records)
    claims = await idempotency.claim(connection, [record.keyed.request for record in keyed if record.keyed])
    outcomes = {record: _kept(record, claim) for record, claim in zip(keyed, claims, strict=True)}
    return [outcomes.get(record) for record in records]


def _kept(record: Record, claim: bytes | ReadStateError | None) -> Outcome | None:
    if isinstance(claim, bytes):
        # A call whose connection was lost at the commit finds its own reply; another's is a replay to it too.
        return Recorded([], claim, replayed=claim != record.own_reply)
    return claim


def _assigned(record: Record, last_event_id: int) -> Outcome:
    try:
        event_ids = _assign_ids(record.events, last_event_id)
    except EventIdsExhausted as error:
        return error
    if record.keyed is not None:
        record.own_reply = record.keyed.reply(event_ids)
    return Recorded(event_ids, record.own_reply or b"")


async def _insert(
    connection: Connection, organization: Organization, fresh: Iterable[tuple[int, NewSystemEvent]]
) -> None:
    # The first mention of an id wins, as it would had the events come in calls of their own.
    events: dict[int, NewSystemEvent] = {}
    for event_id, event in fresh:
        events.setdefault(event_id, event)
    if not events:
        return
    insert = _insert_at_once if connection.batch == "mixed" else _insert_in_steps
    recorded = await insert(
        connection,
        organization,
        list(events),
        [event.type for event in events.values()],
        [event.title for event in events.values()],
        [event.payload for event in events.values()],
        [event.occurred_at for event in events.values()],
        [event.actor_id for event in events.values()],
        [event.subject_id for event in events.values()],
        [event.workspace_id for event in events.values()],
    )
    if not recorded:
        raise OrganizationGone


async def _insert_at_once(connection: Connection, organization: Organization, *columns: list[Any]) -> list[Row]:
    return await connection.rows(RECORD_EVENTS, organization.key, *columns, organization.org_id)


async def _insert_in_steps(connection: Connection, organization: Organization, *columns: list[Any]) -> list[Row]:
    key, org_id = organization
    inserted = [row["event_id"] for row in await connection.rows(INSERT_EVENTS, key, *columns)]
    return await connection.rows(RAISE_STREAM, key, len(inserted), max(inserted, default=0), org_id)


async def _keep(connection: Connection, records: Sequence[Record], outcomes: Sequence[Outcome]) -> None:
    replies = [
        (record.keyed.request, outcome.reply)
        for record, outcome in zip(records, outcomes, strict=True)
        if record.keyed is not None and isinstance(outcome, Recorded) and outcome.event_ids
    ]
    if replies:
        await idempotency.keep(connection, replies)


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
