"""The database terminates connections, stops, stalls, dies and turns read-only: what callers are told, and when."""

import asyncio
import signal
import time

import asyncpg
import pytest

from readstate.client import ReadState
from readstate.errors import OutOfTime, ReadStateError, Unavailable
from tests.faults.conftest import TERMINATE, Postgres
from tests.faults.waiting import recovered


async def test_terminated_connections_are_not_noticed_by_callers(
    producer: ReadState, ada: ReadState, postgres_of_its_own: Postgres
) -> None:
    await producer.record_system_events("acme", [{"event_id": i, "type": "load"} for i in range(1000, 1400)])
    ending = await asyncpg.connect(postgres_of_its_own.url)
    try:
        for first in range(1000, 1400, 40):
            calls = [asyncio.create_task(ada.mark_read([i])) for i in range(first, first + 40)]
            await ending.fetch(TERMINATE)
            results = await asyncio.gather(*calls)
            assert [result.matched for result in results] == [1] * 40
    finally:
        await ending.close()
    assert (await ada.mark_read(range(1000, 1400))).changed == 0


async def test_a_stopped_database_is_unavailable_until_it_is_back(
    ada: ReadState, postgres_of_its_own: Postgres
) -> None:
    await ada.mark_read([1])
    postgres_of_its_own.stop()
    started = time.monotonic()
    with pytest.raises(Unavailable):
        await ada.mark_read([2])
    assert time.monotonic() - started < 8
    postgres_of_its_own.start()
    await recovered(ada, within=60)
    assert (await ada.mark_read([1])).changed == 0


async def test_a_stalled_database_holds_nobody_longer_than_their_deadline(
    ada: ReadState, postgres_of_its_own: Postgres
) -> None:
    await ada.mark_read([1])
    postgres_of_its_own.signal(signal.SIGSTOP)
    try:
        started = time.monotonic()
        calls = [ada.mark_read([i], timeout=2) for i in range(1, 30)]
        failures = await asyncio.gather(*calls, return_exceptions=True)
        assert time.monotonic() - started < 8
        assert all(isinstance(failure, (OutOfTime, Unavailable)) for failure in failures), failures
    finally:
        postgres_of_its_own.signal(signal.SIGCONT)
    await recovered(ada, within=60)
    # The pool is whole: as many calls at once as it has connections, and more.
    results = await asyncio.gather(*(ada.mark_read([i]) for i in range(1, 41)))
    assert [result.matched for result in results] == [1] * 40


async def test_a_killed_database_loses_no_acknowledged_mark(
    producer: ReadState, ada: ReadState, postgres_of_its_own: Postgres
) -> None:
    for first in range(1000, 9000, 4000):
        events = [{"event_id": i, "type": "load"} for i in range(first, first + 4000)]
        await producer.record_system_events("acme", events)
    acknowledged: list[int] = []
    enough = asyncio.Event()

    async def keep_marking(event_ids: range) -> None:
        for event_id in event_ids:
            try:
                assert (await ada.mark_read([event_id], timeout=10)).matched == 1
            except ReadStateError:
                return
            acknowledged.append(event_id)
            if len(acknowledged) == 300:
                enough.set()

    callers = [asyncio.create_task(keep_marking(range(1000 + n, 9000, 64))) for n in range(64)]
    await asyncio.wait_for(enough.wait(), 30)
    postgres_of_its_own.signal(signal.SIGKILL)
    await asyncio.gather(*callers)
    postgres_of_its_own.stop()
    postgres_of_its_own.start()
    await recovered(ada, within=60)
    assert len(acknowledged) >= 300
    assert (await ada.mark_read(acknowledged)).changed == 0


async def test_connections_to_a_server_that_turned_read_only_are_given_up(
    ada: ReadState, postgres_of_its_own: Postgres
) -> None:
    await ada.mark_read([1])
    admin = await asyncpg.connect(postgres_of_its_own.url)
    try:
        # As after a fail-over: what the pool holds leads to a server that takes no writes, what it opens anew does not.
        await admin.execute("ALTER DATABASE postgres SET default_transaction_read_only = on")
        await admin.fetch(TERMINATE)
        with pytest.raises(Unavailable):
            await ada.mark_read([2])
        await admin.execute("SET default_transaction_read_only = off")
        await admin.execute("ALTER DATABASE postgres RESET default_transaction_read_only")
        assert (await ada.mark_read([3])).changed == 1
    finally:
        await admin.close()
