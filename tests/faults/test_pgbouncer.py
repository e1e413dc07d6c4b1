"""The real server behind a PgBouncer that is older than 1.21."""

import asyncio

from readstate.client import ReadState
from readstate.errors import DatabaseUnavailable, ReadStateError, Unavailable
from tests.faults.pgbouncer import pgbouncer
from tests.serving import Serving, run, serving

SETTING = "READSTATE_STATEMENT_CACHE_SIZE"
EVENTS = 200


async def prepared(server: Serving) -> ReadState:
    """A member of acme, which has the events 1 to `EVENTS`."""
    async with server.client("producer", scope="system_events:write directory:write") as producer:
        await producer.upsert_members({"ada": "acme"})
        events = [{"event_id": i, "type": "load"} for i in range(1, EVENTS + 1)]
        await producer.record_system_events("acme", events)
    return server.client("ada")


async def test_a_server_that_prepares_statements_does_not_start(database_url: str) -> None:
    with pgbouncer(database_url, "transaction") as pooler:
        code, _, errors = await run("serve", database_url=pooler.url)
    assert code == 1
    assert errors.startswith(f"readstate: {SETTING}: must be 0 behind a pooler")
    assert len(errors.strip().splitlines()) == 1


async def test_without_the_cache_two_servers_mark_everything(database_url: str) -> None:
    with pgbouncer(database_url, "transaction") as pooler:
        async with (
            serving(pooler.url, READSTATE_STATEMENT_CACHE_SIZE="0") as one,
            serving(pooler.url, READSTATE_STATEMENT_CACHE_SIZE="0") as two,
            await prepared(one) as ada,
            two.client("ada") as again,
        ):
            calls = [client.mark_read([i]) for i in range(1, EVENTS + 1) for client in (ada, again)]
            results = await asyncio.gather(*calls)
            assert [result.matched for result in results] == [1] * len(calls)
            assert (await ada.mark_read(range(1, EVENTS + 1))).changed == 0


async def test_a_pooler_that_gives_each_client_a_session_of_its_own_is_fine(database_url: str) -> None:
    with pgbouncer(database_url, "session") as pooler:
        async with serving(pooler.url) as server, await prepared(server) as ada:
            await asyncio.gather(*(ada.mark_read([i]) for i in range(1, EVENTS + 1)))


async def test_statements_that_are_lost_later_are_told(database_url: str) -> None:
    with pgbouncer(database_url, "session") as pooler:
        async with serving(pooler.url) as server, await prepared(server) as ada:
            pooler.stop()
            pooler.start("transaction")
            failures: list[BaseException] = []
            async with asyncio.timeout(30):
                while not any(isinstance(failure, DatabaseUnavailable) for failure in failures):
                    failures += await failing(ada)
            for _ in range(3):
                failures += await failing(ada)
    assert all(isinstance(failure, Unavailable) for failure in failures), failures
    told = [line for line in server.lines if '"prepared statements are lost"' in line]
    assert len(told) == 1
    assert SETTING in told[0]


async def failing(ada: ReadState) -> list[ReadStateError]:
    """Read much at once; return what failed."""
    found = await asyncio.gather(*(ada.mark_read([i], timeout=3) for i in range(1, 41)), return_exceptions=True)
    return [failure for failure in found if isinstance(failure, ReadStateError)]
