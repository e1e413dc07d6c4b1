"""Calls that share statements, and what each is told."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from readstate.config import DatabaseSettings, load
from readstate.errors import Overloaded, ReadStateError
from readstate.model import MarkResult, OrgMember
from readstate.store import pool
from readstate.store.group_commit import commit
from readstate.store.marks.store import MarkStore
from readstate.store.pool import Database
from readstate.telemetry.metrics import Metrics
from tests.store import data
from tests.store.data import Connection, marks_of
from tests.waiting import SECONDS, until, until_answered

Calls = list[tuple[int, list[int]]]
Call: TypeAlias = "asyncio.Task[MarkResult]"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    calls=st.lists(
        st.tuples(st.integers(1, 3), st.lists(st.integers(1, 40), min_size=1, max_size=12, unique=True)),
        min_size=1,
        max_size=200,
    )
)
async def test_counts_are_each_calls_own(connection: Connection, marks: MarkStore, calls: Calls) -> None:
    await connection.execute(
        "TRUNCATE organization, member, event_stream, system_event, read_mark, read_cursor RESTART IDENTITY"
    )
    await data.load(connection, events=30, members=3)

    results = await asyncio.gather(*(marks.mark_read(OrgMember(key, 1), ids) for key, ids in calls))

    for (_, ids), result in zip(calls, results, strict=True):
        assert result.matched == sum(event_id <= 30 for event_id in ids)
    for key in (1, 2, 3):
        marked = {event_id for who, ids in calls if who == key for event_id in ids if event_id <= 30}
        assert await marks_of(connection, key) == marked
        changed = [result.changed for (who, _), result in zip(calls, results, strict=True) if who == key]
        assert sum(changed) == len(marked)

    undone = await asyncio.gather(*(marks.mark_unread(OrgMember(key, 1), ids) for key, ids in calls))

    assert sum(result.changed for result in undone) == sum(result.changed for result in results)
    assert not await connection.fetchval("SELECT count(*) FROM read_mark")


async def test_fifty_callers_at_odds_over_the_same_ids_never_deadlock(
    connection: Connection, database_url: str
) -> None:
    await data.load(connection, events=1_000, members=2)
    async with pool.connect(load(DatabaseSettings, database_url=database_url)) as database:
        changes = await _quarrel(MarkStore(database, Metrics()))

    left = await connection.fetchval("SELECT count(*) FROM read_mark")
    assert changes["read"] - changes["unread"] == left
    # A backend reports its deadlocks at its end, if not before.
    alone = "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database()"
    await until_answered(lambda: connection.fetchval(alone))
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert await connection.fetchval(deadlocks) == 0


async def _quarrel(marks: MarkStore) -> dict[str, int]:
    """How many marks were made and removed, when fifty callers change the same ones."""
    ids = list(range(1, 1_001))
    changes = {"read": 0, "unread": 0}

    async def caller(number: int) -> None:
        chance = random.Random(number)
        for _ in range(12):
            some = chance.sample(ids, chance.choice((1, 10, 300, 1_000)))
            which = chance.choice(("read", "unread"))
            act = marks.mark_read if which == "read" else marks.mark_unread
            result = await act(OrgMember(1 + number % 2, 1), some)
            changes[which] += result.changed

    await asyncio.gather(*(caller(number) for number in range(50)))
    return changes


async def test_a_row_that_is_stuck_fails_nobody_else(connection: Connection, marks: MarkStore) -> None:
    await data.load(connection, events=100, members=2)
    stuck, free = OrgMember(1, 1), OrgMember(2, 1)
    async with connection.transaction():
        await connection.execute("INSERT INTO read_mark (member_key, org_key, seq) VALUES (1, 1, 1)")
        # Two writes to keep both writers busy, so that the others leave together.
        calls = [marks.mark_read(stuck, [1]), *(marks.mark_read(free, [i]) for i in range(1, 51))]
        first, *others = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(first, ReadStateError)
    assert [result.changed for result in others if not isinstance(result, BaseException)] == [1] * 50


async def test_one_call_whose_cursor_is_busy_makes_room_for_others(
    connection: Connection, marks: MarkStore, metrics: Metrics
) -> None:
    await data.load(connection, events=100, members=1)
    await marks.mark_read(OrgMember(1, 1), [1])  # makes the cursor
    async with connection.transaction():
        await connection.execute("SELECT FROM read_cursor WHERE member_key = 1 FOR UPDATE")
        call = asyncio.create_task(marks.mark_read(OrgMember(1, 1), [2]))
        labels = {"lane": "read", "cause": "busy"}
        await until(lambda: metrics.registry.get_sample_value("readstate_batch_fallbacks_total", labels) == 1)
    assert await call == MarkResult(changed=1, matched=1)


@asynccontextmanager
async def busy_writers(
    marks: MarkStore, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[list[Call]]:
    """While inside, both writers wait before their statement, one with a call of member 1 and one with a call of member
    2. A lock would not hold them: PostgreSQL waits for it a second, and a busy machine needs longer in between."""
    go_on = asyncio.Event()
    write = marks._reads._together

    async def held(batch: Sequence[Any]) -> Sequence[MarkResult | None]:
        await go_on.wait()
        return await write(batch)

    monkeypatch.setattr(marks._reads, "_together", held)
    calls: list[Call] = []
    try:
        for member_key in (1, 2):
            calls.append(asyncio.create_task(marks.mark_read(OrgMember(member_key, 1), [1])))
            await asyncio.sleep(0)
            await until(lambda: queued(metrics) == 0)
        yield calls
    finally:
        go_on.set()


def queued(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("readstate_batch_queue", {"lane": "read"})


async def test_an_abandoned_call_leaves_the_queue(
    connection: Connection, marks: MarkStore, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    await data.load(connection, events=100, members=2)
    async with busy_writers(marks, metrics, monkeypatch) as calls:
        waiting = [asyncio.create_task(marks.mark_read(OrgMember(1, 1), [i])) for i in range(3, 53)]
        await until(lambda: queued(metrics) == 50)
        for call in waiting[:25]:
            call.cancel()
        await until(lambda: queued(metrics) == 25)
    await asyncio.gather(*calls, *waiting, return_exceptions=True)
    assert await marks_of(connection, 1) == {1, *range(28, 53)}


async def test_draining_waits_for_a_write_whose_caller_has_left(
    connection: Connection, marks: MarkStore, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    await data.load(connection, events=100, members=2)
    async with busy_writers(marks, metrics, monkeypatch) as calls:
        for call in calls:
            call.cancel()
        draining = asyncio.create_task(marks.drain())
        await asyncio.wait([draining], timeout=0.1)
        assert not draining.done()
    await draining
    assert await marks_of(connection, 1) == await marks_of(connection, 2) == {1}


async def test_calls_that_a_cancelled_writer_leaves_behind_are_written(
    connection: Connection, marks: MarkStore, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    await data.load(connection, events=100, members=2)
    async with busy_writers(marks, metrics, monkeypatch) as calls:
        calls.append(asyncio.create_task(marks.mark_read(OrgMember(1, 1), [3])))
        await until(lambda: queued(metrics) == 1)
        for writer in marks._commit._writers:
            writer.cancel()
    results = await asyncio.wait_for(asyncio.gather(*calls), SECONDS)
    assert [result.matched for result in results] == [1, 1, 1]
    assert await marks_of(connection, 1) == {1, 3}
    assert await marks_of(connection, 2) == {1}


async def test_a_full_queue_refuses_before_it_writes(
    connection: Connection, marks: MarkStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await data.load(connection, events=100, members=1)
    monkeypatch.setattr(commit, "LONGEST_QUEUE", 10)
    calls = [marks.mark_read(OrgMember(1, 1), [i]) for i in range(1, 101)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    refused = {i for i, result in enumerate(results, 1) if isinstance(result, Overloaded)}
    assert refused
    assert await marks_of(connection, 1) == set(range(1, 101)) - refused


@pytest.mark.alone
async def test_large_calls_are_quick_on_stale_statistics(
    connection: Connection, database: Database, marks: MarkStore
) -> None:
    await connection.execute("ALTER TABLE read_mark SET (autovacuum_enabled = off)")
    await data.load(connection, events=50_000, members=200, marks_each=500)

    async def timed(member_key: int, ids: range) -> float:
        started = time.perf_counter()
        assert (await marks.mark_read(OrgMember(member_key, 1), ids)).changed == len(ids)
        return time.perf_counter() - started

    assert await timed(1, range(1_001, 11_001)) < 1
    seconds = await asyncio.gather(*(timed(key, range(20_001, 20_101)) for key in range(1, 65)))
    assert max(seconds) < 1.5
