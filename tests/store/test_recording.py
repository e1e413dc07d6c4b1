"""Records that share a transaction, and what each call is told."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import pytest

from readstate import deadline
from readstate.errors import (
    DatabaseUnavailable,
    EventIdsExhausted,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    Internal,
    OutOfTime,
    Overloaded,
)
from readstate.model import LARGEST_EVENT_ID, KeyedRequest, NewSystemEvent
from readstate.store import record_lane
from readstate.store.events import EventStore
from readstate.store.idempotency import Reply
from readstate.store.pool import Database
from tests.store.data import Connection
from tests.waiting import SECONDS, until

# A sequence counts statements whose transactions are rolled back as well.
SLOW = """
CREATE SEQUENCE statements;
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM nextval('statements'), pg_sleep(3); RETURN NULL; END $$;
CREATE TRIGGER slow BEFORE INSERT ON system_event FOR EACH STATEMENT EXECUTE FUNCTION slow();
"""
TRANSACTIONS = "SELECT count(DISTINCT xmin::text)::int FROM system_event"


def event(event_id: int | None = None, payload: str | None = None) -> NewSystemEvent:
    return NewSystemEvent(event_id, "test", "", payload, None)


def request(key: str, fingerprint: bytes = b"f" * 32) -> KeyedRequest:
    return KeyedRequest("producer", None, key, fingerprint)


def reply(event_ids: list[int]) -> bytes:
    return str(event_ids).encode()


@pytest.fixture
async def events(database: Database) -> AsyncIterator[EventStore]:
    store = EventStore(database)
    await store.record("acme", [event()])
    yield store
    await store.drain()


async def held_stream(connection: Connection, events: EventStore, calls: Sequence[Any]) -> list[Any]:
    """The outcomes of the calls, all of which wait while another record is in flight."""
    async with connection.transaction():
        await connection.execute("SELECT FROM event_stream FOR UPDATE")
        first = asyncio.create_task(events.record("acme", [event()]))
        # One more than was recorded by the fixture: its batch has left.
        await until(lambda: events._lane._calls == 1 and not any(events._lane._queues.values()))
        tasks = [asyncio.create_task(call) for call in calls]
        await until(lambda: events._lane._calls == 1 + len(tasks))
    outcomes = await asyncio.gather(first, *tasks, return_exceptions=True)
    return outcomes[1:]


async def stored(connection: Connection) -> list[int]:
    rows = await connection.fetch("SELECT event_id FROM system_event ORDER BY seq")
    return [row["event_id"] for row in rows]


async def test_records_that_wait_leave_in_one_transaction(connection: Connection, events: EventStore) -> None:
    outcomes = await held_stream(connection, events, [events.record("acme", [event(), event()]) for _ in range(20)])

    # In the order of the calls, above what was there.
    assert outcomes == [[3 + 2 * call, 4 + 2 * call] for call in range(20)]
    assert await stored(connection) == list(range(1, 43))
    assert await connection.fetchval(TRANSACTIONS) == 3


async def test_an_id_that_two_calls_bring_is_recorded_once(connection: Connection, events: EventStore) -> None:
    calls = [
        events.record("acme", [event(50)]),
        events.record("acme", [event(), event(50)]),
        events.record("acme", [event(1)]),
    ]
    assert await held_stream(connection, events, calls) == [[50], [51, 50], [1]]
    assert await stored(connection) == [1, 2, 50, 51]


async def test_each_call_has_its_own_error(connection: Connection, events: EventStore) -> None:
    calls = [
        events.record("acme", [event(LARGEST_EVENT_ID - 1)]),
        events.record("acme", [event(), event()]),
        events.record("acme", [event()]),
    ]
    first, second, third = await held_stream(connection, events, calls)
    assert first == [LARGEST_EVENT_ID - 1]
    assert isinstance(second, EventIdsExhausted)
    assert third == [LARGEST_EVENT_ID]


async def test_what_the_database_refuses_fails_only_its_own_call(connection: Connection, events: EventStore) -> None:
    calls = [
        events.record("acme", [event()]),
        events.record("acme", [event(payload="{")]),
        events.record("acme", [event()]),
    ]
    first, second, third = await held_stream(connection, events, calls)
    assert isinstance(second, Internal)
    assert sorted([first, third]) == [[3], [4]]
    assert await stored(connection) == [1, 2, 3, 4]


async def test_a_slow_database_is_not_asked_again_call_by_call(connection: Connection, events: EventStore) -> None:
    await connection.execute(SLOW)

    async def call() -> list[int]:
        deadline.start(1)
        return await events.record("acme", [event()])

    results = await asyncio.gather(*(asyncio.create_task(call()) for _ in range(20)), return_exceptions=True)
    assert {type(result) for result in results} == {OutOfTime}
    assert await connection.fetchval("SELECT last_value FROM statements") == 1


async def test_a_batch_with_an_unknown_outcome_is_repeated_only_where_that_is_safe(
    connection: Connection, events: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave = asyncpg.transaction.Transaction.__aexit__
    lost: list[bool] = []

    async def leave_and_lose(self: Any, *error: Any) -> None:
        await leave(self, *error)
        if events._lane._calls == 4 and not lost:
            lost.append(True)
            raise asyncpg.ConnectionDoesNotExistError("lost at the commit")

    monkeypatch.setattr(asyncpg.transaction.Transaction, "__aexit__", leave_and_lose)
    calls = [
        events.record("acme", [event()]),
        events.record("acme", [event(50)]),
        events.record_once("acme", [event()], request("k"), reply),
        events.record("acme", [event()]),
    ]
    # They leave in one batch, which loses its connection when it has been committed.
    unsafe, brought, keyed, unsafe_too = await asyncio.gather(*calls, return_exceptions=True)

    assert isinstance(unsafe, DatabaseUnavailable)
    assert isinstance(unsafe_too, DatabaseUnavailable)
    assert (brought, keyed) == ([50], Reply(b"[51]", replayed=False))
    # Nothing is there twice: what was lost had been committed.
    assert await stored(connection) == [1, 2, 50, 51, 52]


async def test_keys_are_honoured_in_a_shared_transaction(connection: Connection, events: EventStore) -> None:
    assert await events.record_once("acme", [event()], request("old"), reply) == Reply(b"[2]", replayed=False)
    assert await events.record_once("acme", [event()], request("older"), reply) == Reply(b"[3]", replayed=False)
    calls = [
        events.record_once("acme", [event()], request("old"), reply),
        events.record_once("acme", [event()], request("older", b"g" * 32), reply),
        events.record_once("acme", [event()], request("new"), reply),
        events.record_once("acme", [event()], request("new"), reply),
        events.record("acme", [event()]),
    ]
    replayed, reused, new, in_use, unkeyed = await held_stream(connection, events, calls)
    assert replayed == Reply(b"[2]", replayed=True)
    assert isinstance(reused, IdempotencyKeyReused)
    assert new == Reply(b"[5]", replayed=False)
    assert isinstance(in_use, IdempotencyKeyInUse)
    assert unkeyed == [6]
    assert await events.record_once("acme", [event()], request("new"), reply) == Reply(b"[5]", replayed=True)
    assert await stored(connection) == [1, 2, 3, 4, 5, 6]


async def test_an_abandoned_call_is_not_recorded(connection: Connection, events: EventStore) -> None:
    async with connection.transaction():
        await connection.execute("SELECT FROM event_stream FOR UPDATE")
        first = asyncio.create_task(events.record("acme", [event()]))
        await until(lambda: events._lane._calls == 1 and not any(events._lane._queues.values()))
        waiting = [asyncio.create_task(events.record("acme", [event()])) for _ in range(4)]
        await until(lambda: events._lane._calls == 5)
        waiting[1].cancel()
    outcomes = await asyncio.gather(first, *waiting, return_exceptions=True)
    assert outcomes[0] == [2]
    assert [outcome for outcome in outcomes[1:] if isinstance(outcome, list)] == [[3], [4], [5]]


async def test_calls_that_a_cancelled_writer_leaves_behind_are_recorded(
    connection: Connection, events: EventStore
) -> None:
    async with connection.transaction():
        await connection.execute("SELECT FROM event_stream FOR UPDATE")
        first = asyncio.create_task(events.record("acme", [event(70)]))
        await until(lambda: events._lane._calls == 1 and not any(events._lane._queues.values()))
        second = asyncio.create_task(events.record("acme", [event()]))
        await until(lambda: events._lane._calls == 2)
        for writer in events._lane._writers:
            writer.cancel()
    # The first one brings its id, and so goes once more.
    assert sorted(await asyncio.wait_for(asyncio.gather(first, second), SECONDS)) in ([[2], [70]], [[70], [71]])


async def test_too_many_calls_are_refused(events: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_lane, "MOST_CALLS", 5)
    outcomes = await asyncio.gather(*(events.record("acme", [event()]) for _ in range(9)), return_exceptions=True)
    assert sum(isinstance(outcome, Overloaded) for outcome in outcomes) == 4


async def test_organisations_do_not_wait_for_each_other(connection: Connection, events: EventStore) -> None:
    async with connection.transaction():
        await connection.execute("SELECT FROM event_stream FOR UPDATE")
        stuck = asyncio.create_task(events.record("acme", [event()]))
        assert await events.record("globex", [event()]) == [1]
        assert not stuck.done()
    assert await stuck == [2]


async def test_more_events_than_a_batch_holds_are_one_call(connection: Connection, events: EventStore) -> None:
    many = [event() for _ in range(record_lane.MOST_EVENTS + 1)]
    assert await events.record("acme", many) == list(range(2, len(many) + 2))
