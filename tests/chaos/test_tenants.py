"""One organisation does its worst. The callers of another must not notice much."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
import grpc
import pytest

from readstate.v1.system_events_pb2 import MarkReadRequest
from tests.chaos.calm import stays_calm
from tests.chaos.report import row
from tests.chaos.server import Server
from tests.chaos.trial import Trial
from tests.rpc.greedy import greedy

pytestmark = pytest.mark.alone

GREEDY: Final = "acme-toggler-0"
"""A member of the other organisation."""
EVENTS: Final = range(1, 10_001)
MARK: Final = "/readstate.v1.SystemEventService/MarkRead"
UNMARK: Final = "/readstate.v1.SystemEventService/MarkUnread"

LOCK: Final = """
SELECT FROM read_cursor JOIN member USING (member_key) WHERE user_id = $1 FOR UPDATE OF read_cursor
"""

UNHARMED: Final = (
    "callers of another organisation keep half of their calls/s (a tenth in the short version); no call of theirs"
    " fails; readiness never falls"
)


async def prepared(trial: Trial, url: str, **variables: str) -> Server:
    """A server with the world, in which the greedy member's organisation has 10,000 events."""
    server = await trial.serve(url, **variables)
    await trial.make_world(server.port)
    producer = await trial.client("producer", server.port)
    more = EVENTS[len(trial.world.organizations[0].events) :]
    await producer.record_system_events("acme", [{"event_id": i, "type": "chaos"} for i in more])
    return server


def share(trial: Trial) -> float:
    return trial.choose(short=0.1, full=0.5)


@asynccontextmanager
async def callers(number: int, call: Callable[[int], Awaitable[None]]) -> AsyncIterator[None]:
    """So many who call again as soon as they have an answer, whatever it is."""

    async def keep_calling(caller: int) -> None:
        while True:
            try:
                await call(caller)
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.01)

    tasks = [asyncio.create_task(keep_calling(caller)) for caller in range(number)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Greedy:
    """Sends requests that were encoded beforehand: the load must not come from its encoding."""

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._methods: dict[str, Any] = {path: channel.unary_unary(path) for path in (MARK, UNMARK)}

    async def call(self, path: str, request: bytes) -> None:
        await self._methods[path](request, metadata=self._metadata, timeout=5)


@row(injected="one member keeps 64 calls of 10,000 ids in flight", expected=UNHARMED)
async def test_greedy_tenant_with_large_calls(trial: Trial, database_url: str) -> None:
    server = await prepared(trial, database_url)
    caller_of = Greedy(await trial.channel(server.port), trial.token(GREEDY))
    request = MarkReadRequest(event_ids=EVENTS).SerializeToString()

    async def call(caller: int) -> None:
        await caller_of.call(UNMARK if caller % 4 == 0 else MARK, request)

    await stays_calm(trial, server, lambda: callers(64, call), share=share(trial))
    await trial.judge(database_url, unrecorded=[GREEDY])


@row(injected="one organisation keeps 1,500 small calls in flight", expected=UNHARMED)
async def test_greedy_tenant_with_many_calls(trial: Trial, database_url: str) -> None:
    server = await prepared(trial, database_url)

    @asynccontextmanager
    async def attack() -> AsyncIterator[None]:
        async with greedy(server.port, [trial.token(GREEDY)], in_flight=1500, events=len(EVENTS), ids=2):
            # Only the first 1,500 calls come all at once.
            await asyncio.sleep(2)
            yield

    await stays_calm(trial, server, attack, share=share(trial))
    await trial.judge(database_url, unrecorded=[GREEDY])


@row(injected="a lock is held on one member's rows, and 300 calls of this member are in flight", expected=UNHARMED)
async def test_lock_held(trial: Trial, database_url: str) -> None:
    server = await prepared(trial, database_url)
    caller_of = Greedy(await trial.channel(server.port), trial.token(GREEDY))
    requests = [MarkReadRequest(event_ids=[i]).SerializeToString() for i in EVENTS[:300]]
    await caller_of.call(MARK, requests[0])

    async def call(caller: int) -> None:
        await caller_of.call(MARK, requests[caller])

    @asynccontextmanager
    async def attack() -> AsyncIterator[None]:
        holder = await asyncpg.connect(database_url)
        try:
            async with holder.transaction():
                await holder.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
                assert await holder.fetch(LOCK, GREEDY)
                async with callers(len(requests), call):
                    yield
        finally:
            await holder.close()

    await stays_calm(trial, server, attack, share=share(trial))
    await trial.judge(database_url, unrecorded=[GREEDY])
