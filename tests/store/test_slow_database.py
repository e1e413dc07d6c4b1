"""Marks on a database that is slow, lost, or refuses some rows."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable

import pytest

from readstate import deadline
from readstate.errors import DatabaseUnavailable, Internal, OutOfTime, ReadStateError
from readstate.model import MarkResult, OrgMember
from readstate.store.marks.store import MarkStore
from readstate.telemetry.metrics import Metrics
from tests.store import data
from tests.store.data import Connection
from tests.waiting import until_answered

CALLERS = 200
EVENTS = 100

# A sequence counts statements whose transactions are rolled back as well.
STATEMENTS = """
CREATE SEQUENCE statements;
CREATE FUNCTION statement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM nextval('statements'), pg_sleep({seconds}); RETURN NULL; END $$;
CREATE TRIGGER statement BEFORE INSERT ON read_mark FOR EACH STATEMENT EXECUTE FUNCTION statement();
"""
BAD_ROW = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'bad row'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON read_mark FOR EACH ROW WHEN (NEW.member_key = 77) EXECUTE FUNCTION refuse();
"""
SLEEPING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE pid <> pg_backend_pid() AND datname = current_database()
"""


@pytest.fixture(autouse=True)
async def members(connection: Connection, marks: MarkStore) -> AsyncIterator[None]:
    """Each caller is a member who has marked before, and so has a cursor."""
    await data.load(connection, events=EVENTS, members=CALLERS)
    await asyncio.gather(*(mark(marks, caller, EVENTS) for caller in range(CALLERS)))
    yield
    await connection.execute("DROP TRIGGER IF EXISTS statement ON read_mark")


async def mark(marks: MarkStore, caller: int, event_id: int, seconds: float = 5) -> MarkResult:
    """One call, which ends by its deadline as the server ends it. Raises as `MarkStore.mark_read`, and TimeoutError."""

    async def call() -> MarkResult:
        deadline.start(seconds)
        async with asyncio.timeout(seconds):
            return await marks.mark_read(OrgMember(1 + caller, 1), [event_id])

    return await asyncio.create_task(call())


async def mark_all(marks: MarkStore, seconds: float = 5) -> list[MarkResult | BaseException]:
    """One call of every caller at the same time."""
    calls = (mark(marks, caller, 1, seconds) for caller in range(CALLERS))
    return await asyncio.gather(*calls, return_exceptions=True)


async def statements(connection: Connection) -> int:
    """How many statements have begun."""
    count: int = await connection.fetchval("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM statements")
    return count


def fallbacks(metrics: Metrics, cause: str) -> float | None:
    labels = {"lane": "read", "cause": cause}
    return metrics.registry.get_sample_value("readstate_batch_fallbacks_total", labels)


@pytest.mark.alone
@pytest.mark.parametrize(("seconds", "rounds"), [(0.65, 5), (2, 2), (4, 1)])
async def test_slow_statements_slow_calls_down_in_proportion(
    connection: Connection, marks: MarkStore, seconds: float, rounds: int
) -> None:
    await connection.execute(STATEMENTS.format(seconds=seconds))

    async def caller(number: int) -> list[MarkResult]:
        return [await mark(marks, number, event_id) for event_id in range(1, rounds + 1)]

    started = time.monotonic()
    results = await asyncio.gather(*(caller(number) for number in range(CALLERS)))
    rate = rounds * CALLERS / (time.monotonic() - started)

    assert Counter(result.changed for calls in results for result in calls) == {1: rounds * CALLERS}
    assert rate >= 0.7 * CALLERS / seconds


async def test_what_a_slow_database_does_not_finish_is_not_asked_again(
    connection: Connection, marks: MarkStore, metrics: Metrics, logged: Callable[[], str]
) -> None:
    await connection.execute(STATEMENTS.format(seconds=3))
    results = await mark_all(marks, seconds=1.5)
    assert {type(result) for result in results} <= {OutOfTime, TimeoutError}
    assert await statements(connection) <= 4
    assert 1 <= (fallbacks(metrics, "slow") or 0) <= 4
    assert logged().count('"cause": "slow"') == 1


async def test_who_still_waits_is_told_what_the_batch_has_changed(connection: Connection, marks: MarkStore) -> None:
    await connection.execute(STATEMENTS.format(seconds=2))
    calls = (mark(marks, caller, 1, 1 if caller % 2 else 5) for caller in range(CALLERS))
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(result) for result in results[1::2]} == {TimeoutError}
    assert [result.changed for result in results[::2] if isinstance(result, MarkResult)] == [1] * (CALLERS // 2)
    # The statement has committed what those who left had asked for, and nobody was told a count that is wrong.
    assert await connection.fetchval("SELECT count(*) FROM read_mark WHERE seq = 1") == CALLERS


async def test_a_lost_connection_repeats_batches_and_not_calls(connection: Connection, marks: MarkStore) -> None:
    await connection.execute(STATEMENTS.format(seconds=1))
    calls = asyncio.create_task(mark_all(marks))
    await until_answered(lambda: connection.fetchval(SLEEPING))
    await connection.fetch(TERMINATE)
    results = await calls
    assert all(isinstance(result, MarkResult | DatabaseUnavailable) for result in results)
    assert await statements(connection) <= 6


async def test_a_bad_row_is_found_by_halves(
    connection: Connection, marks: MarkStore, metrics: Metrics, logged: Callable[[], str]
) -> None:
    await connection.execute(STATEMENTS.format(seconds=0) + BAD_ROW)
    results = await mark_all(marks)
    failed = {caller for caller, result in enumerate(results) if isinstance(result, ReadStateError)}
    assert failed == {76}
    assert isinstance(results[76], Internal)
    assert Counter(result.changed for result in results if isinstance(result, MarkResult)) == {1: CALLERS - 1}
    # 200, 100, 50, 25, 13, 7, 4, 2 and 1 calls, and the other half of each; a half may have left in more parts.
    assert await statements(connection) <= 25
    assert fallbacks(metrics, "row") == 9
    assert logged().count('"cause": "row"') == 1
