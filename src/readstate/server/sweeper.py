"""Background work: deletes what removed members have left behind, and what has expired."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog

from readstate.errors import ReadStateError

PERIOD_SECONDS: Final = 60.0

log = structlog.get_logger("readstate")


@asynccontextmanager
async def sweeping(*sweeps: Callable[[], Awaitable[object]], every: float | None = None) -> AsyncIterator[None]:
    """Call each sweep now and then every minute, or `every` so many seconds, until left. One that fails is called
    again in the next round."""
    task = asyncio.create_task(_sweep_forever(sweeps, every), name="sweep")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _sweep_forever(sweeps: tuple[Callable[[], Awaitable[object]], ...], every: float | None) -> None:
    while True:
        for sweep in sweeps:
            await _sweep_once(sweep)
        await asyncio.sleep(PERIOD_SECONDS if every is None else every)


async def _sweep_once(sweep: Callable[[], Awaitable[object]]) -> None:
    try:
        await sweep()
    except ReadStateError:
        pass  # the database may be away: the next round finds what is left
    except Exception as error:
        log.error("sweeping failed", exc_info=error)
