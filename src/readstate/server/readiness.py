"""Whether this server can serve. It asks the database every second. Single failures do not change the answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog

from readstate import deadline
from readstate.errors import ReadStateError

PERIOD_SECONDS: Final = 1.0
FAILURES_TO_FALL: Final = 3
"""One slow answer must not take a server out of rotation."""
SUCCESSES_TO_RISE: Final = 2


log = structlog.get_logger("readstate")


class Readiness:
    """Whether the server is ready, and the task that checks it. `changed` is awaited with each new state."""

    def __init__(self, check: Callable[[], Awaitable[None]], changed: Callable[[bool], Awaitable[None]]) -> None:
        self._check = check
        self._changed = changed
        self._streak = 0
        self._draining = False
        self._healthy = False

    @property
    def ready(self) -> bool:
        return self._healthy and not self._draining

    async def is_ready(self) -> bool:
        """`ready`, in the form that the admin pages take: the gateway's own check asks over the network."""
        return self.ready

    async def drain(self) -> None:
        """Be not ready from now on, whatever the database answers."""
        self._draining = True
        await self._changed(False)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Check once, then keep checking until left."""
        self._healthy = await self._passes()
        await self._changed(self.ready)
        task = asyncio.create_task(self._watch(), name="readiness")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(PERIOD_SECONDS)
            differs = await self._passes() != self._healthy
            self._streak = self._streak + 1 if differs else 0
            if self._streak >= (FAILURES_TO_FALL if self._healthy else SUCCESSES_TO_RISE):
                self._healthy = not self._healthy
                self._streak = 0
                await self._changed(self.ready)

    async def _passes(self) -> bool:
        try:
            with deadline.within(deadline.READINESS_SECONDS):
                await self._check()
        except ReadStateError:
            return False
        except Exception as error:
            # If it left this task, the watch would end, and the last state would be told for ever.
            log.error("the readiness check failed", exc_info=error)
            return False
        return True
