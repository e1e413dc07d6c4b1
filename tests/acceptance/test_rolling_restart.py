"""Two servers restart in turn under load, and no call of any client fails."""

import asyncio
import itertools
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import grpc

from readstate.client import ReadState
from readstate.identity.tokens import sign
from readstate.v1 import system_events_pb2, system_events_pb2_grpc
from tests.conftest import settings_on
from tests.serving import Serving, gateway_to, serving

EVENTS = 2000
SETTLED_SECONDS = 2
"""What the pages ask for between two servers: clients find one that is back within a second."""
DRAIN = {"READSTATE_DRAIN_DELAY": "1.5"}

PAGE = Path(__file__).resolve().parents[2] / "docs" / "clients.md"


def service_config() -> str:
    """What the page tells those who bring a channel of their own."""
    found = re.search(r"```json\n(\{\n  \"loadBalancingConfig\".*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


OPTIONS = [
    ("grpc.service_config", service_config()),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.default_authority", "readstate"),
]


class Server:
    """A server that can be restarted on its port."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self.port = 0
        self.lives: list[Serving] = []

    async def start(self) -> None:
        self._stack = AsyncExitStack()
        self.lives.append(await self._stack.enter_async_context(serving(self._url, port=self.port, **DRAIN)))
        self.port = self.lives[-1].port

    async def stop(self) -> None:
        await self._stack.aclose()
        assert self.lives[-1].process.returncode == 0

    def calls(self, life: int) -> int:
        return sum('"event": "call"' in line for line in self.lives[life].lines)


class Load:
    """Callers that call again and again, and what became of it."""

    def __init__(self) -> None:
        self.succeeded: Counter[str] = Counter()
        self.failed: list[tuple[str, str]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._over = False

    def add(self, name: str, call: Callable[[], Awaitable[Any]]) -> None:
        self._tasks += [asyncio.create_task(self._repeat(name, call)) for _ in range(4)]

    async def _repeat(self, name: str, call: Callable[[], Awaitable[Any]]) -> None:
        while not self._over:
            try:
                await call()
            except Exception as error:
                self.failed.append((name, repr(error)))
            else:
                self.succeeded[name] += 1
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        self._over = True
        await asyncio.gather(*self._tasks)


@asynccontextmanager
async def two_servers(database_url: str) -> AsyncIterator[tuple[Server, Server]]:
    servers = Server(database_url), Server(database_url)
    for server in servers:
        await server.start()
    try:
        yield servers
    finally:
        for server in servers:
            await server.stop()


async def test_a_rolling_restart_fails_no_call(database_url: str) -> None:
    event_ids = itertools.cycle(range(1, EVENTS + 1))
    load = Load()
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(two_servers(database_url))
        target = f"ipv4:127.0.0.1:{servers[0].port},127.0.0.1:{servers[1].port}"
        producer = await stack.enter_async_context(ReadState(target, token=token("producer")))
        await producer.upsert_members({"ada": "acme"})
        await producer.record_system_events("acme", [{"event_id": i, "type": "load"} for i in range(1, EVENTS + 1)])

        ada = await stack.enter_async_context(ReadState(target, token=token("ada")))
        load.add("our client", lambda: ada.mark_read([next(event_ids)]))
        load.add("our client, not repeatable", lambda: producer.record_system_events("acme", [{"type": "load"}]))

        channel = await stack.enter_async_context(grpc.aio.insecure_channel(target, OPTIONS))
        stub: Any = system_events_pb2_grpc.SystemEventServiceStub(channel)
        bearer = [("authorization", f"Bearer {token('ada')}")]
        load.add(
            "a plain channel",
            lambda: stub.MarkRead(system_events_pb2.MarkReadRequest(event_ids=[next(event_ids)]), metadata=bearer),
        )

        gateway = await stack.enter_async_context(gateway_to(target))
        session = await stack.enter_async_context(aiohttp.ClientSession(headers=bearer, raise_for_status=True))
        load.add("the gateway", lambda: posted(session, gateway.port, next(event_ids)))

        for server in servers:
            await asyncio.sleep(SETTLED_SECONDS)
            await server.stop()
            await server.start()
        await asyncio.sleep(SETTLED_SECONDS)
        await load.stop()
    assert load.failed == []
    assert min(load.succeeded.values()) > 20
    # Both took part, before and after.
    assert min(server.calls(life) for server in servers for life in (0, 1)) > 20


async def posted(session: aiohttp.ClientSession, port: int, event_id: int) -> None:
    async with session.post(f"http://127.0.0.1:{port}/systemevent/read", json={"id": event_id}) as response:
        await response.read()


def token(user: str) -> str:
    return sign(settings_on(""), user=user, scope="system_events:write directory:write")
