"""Many connections that ask for nothing, and some that take very long to ask."""

import asyncio
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final

import pytest

from tests.chaos.calm import stays_calm
from tests.chaos.frames import DATA, END_HEADERS, HEADERS, HELLO, call_headers, frame
from tests.chaos.report import row
from tests.chaos.server import Server
from tests.chaos.trial import Trial

pytestmark = pytest.mark.alone

MARK: Final = "/readstate.v1.SystemEventService/MarkRead"
MEMORY: Final = 64 << 10
"""Bytes that a connection may take."""
EXPECTED: Final = (
    "the callers beside them keep half of their calls/s (a tenth in the short version); no call of theirs fails;"
    " readiness never falls; a connection takes at most 64 KiB"
)


@pytest.fixture(autouse=True)
def _enough_files() -> Iterator[None]:
    """For this process and for the servers that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16_384), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@asynccontextmanager
async def opened(port: int, number: int) -> AsyncIterator[list[asyncio.StreamWriter]]:
    """So many connections on which HTTP/2 has begun."""
    writers = []
    try:
        for _ in range(number):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writers.append(writer)
            writer.write(HELLO)
        yield writers
    finally:
        for writer in writers:
            writer.close()


async def beside(trial: Trial, url: str, number: int, *, slow: bool) -> None:
    """Measure the calm callers beside so many connections."""
    server = await trial.serve(url)
    await trial.make_world(server.port)
    before: list[int] = []

    @asynccontextmanager
    async def attack() -> AsyncIterator[None]:
        before.append(server.memory())  # what the calm callers have made it take is not the connections'
        async with opened(server.port, number) as writers:
            dripping = asyncio.create_task(drip(writers)) if slow else None
            yield
            if dripping is not None:
                dripping.cancel()
                await asyncio.gather(dripping, return_exceptions=True)

    await stays_calm(trial, server, attack, share=trial.choose(short=0.1, full=0.5))
    await bounded(trial, server, before[0], number)
    await trial.judge(url)


async def bounded(trial: Trial, server: Server, before: int, number: int) -> None:
    taken = (server.most_memory() - before) // number
    trial.report.note(f"{number:,} connections, {taken >> 10} KiB each")
    trial.report.expect(taken <= MEMORY, f"a connection took {taken >> 10} KiB")


async def drip(writers: list[asyncio.StreamWriter]) -> None:
    """Send calls byte by byte, five a second on each connection: half of them their headers, half their message."""
    headers = frame(HEADERS, END_HEADERS, 1, call_headers(MARK))
    message = frame(DATA, 0, 1, bytes([0, 0, 0, 16, 0, *bytes(4096)]))
    for writer in writers[::2]:
        writer.write(headers)
    for place in range(len(message)):
        for number, writer in enumerate(writers):
            writer.write((headers if number % 2 else message)[place : place + 1])
        await asyncio.sleep(0.2)


@row(injected="2,000 connections that do nothing", expected=EXPECTED)
async def test_idle_connections(trial: Trial, database_url: str) -> None:
    await beside(trial, database_url, trial.choose(short=400, full=2000), slow=False)


@row(injected="300 connections that send their calls at five bytes a second", expected=EXPECTED)
async def test_slow_connections(trial: Trial, database_url: str) -> None:
    await beside(trial, database_url, trial.choose(short=100, full=300), slow=True)
