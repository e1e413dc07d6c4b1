"""Leaving a primary that has fallen silent, once another host has taken its place.

A statement may take as long as its call, so its silence alone says nothing. All connections of a pool could wait for a
frozen server, each for the whole time of its call. So a connection of its own asks again and again. If it gets no
answer, and another host takes writes, every connection to the old host is ended. Calls that are safe to repeat go on at
once, with the new one.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog

from readstate import deadline
from readstate.store.connector import Connector, Opened
from readstate.store.failures import DRIVER_ERRORS

PERIOD_SECONDS: Final = 0.5
"""Between two questions."""

PING: Final = "SELECT 1"

log = structlog.get_logger("readstate.store")


@asynccontextmanager
async def watching(connector: Connector) -> AsyncIterator[None]:
    """Watch the primary until left, where there is another host to go to."""
    if not connector.has_choice:
        yield
        return
    task = asyncio.create_task(_watch(connector), name="failover")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _watch(connector: Connector) -> None:
    home = connector.last_good
    while True:
        try:
            # No longer: a standby that refuses now may be the primary then.
            async with asyncio.timeout(deadline.ACQUIRE_SECONDS):
                connection = await connector.open(statement_cache_size=0)
        except Exception as error:
            # Let out, one that nobody thought of would end the watch.
            if not isinstance(error, DRIVER_ERRORS):
                log.error("looking for the primary failed", exc_info=error)
            await asyncio.sleep(PERIOD_SECONDS)
            continue
        if (found := connector.leads_to(connection)) != home:
            log.warning("another database host is the primary", host=connector.position(found))
            connector.leave(home)
            home = found
        with suppress(Exception):
            await _until_silent(connection)


async def _until_silent(connection: Opened) -> None:
    try:
        while True:
            await connection.execute(PING, timeout=deadline.PRIMARY_SECONDS)
            await asyncio.sleep(PERIOD_SECONDS)
    finally:
        connection.terminate()
