"""Calls that wait inside the server until the test lets them go on."""

import asyncio
from collections.abc import Awaitable, Callable

from readstate.model import MarkResult
from tests.waiting import SECONDS


class Gate:
    """Keeps every MarkRead inside until it is open; then each does what it always does."""

    def __init__(self, mark_read: Callable[..., Awaitable[MarkResult]]) -> None:
        self.open = asyncio.Event()
        self._mark_read = mark_read
        self._inside = 0
        self._moved = asyncio.Condition()

    async def mark_read(self, *args: object, **kwargs: object) -> MarkResult:
        """In the place of `MarkStore.mark_read`."""
        await self._move(1)
        try:
            await self.open.wait()
        finally:
            await self._move(-1)
        return await self._mark_read(*args, **kwargs)

    async def holds(self, calls: int) -> None:
        """Return once so many calls are inside."""
        async with asyncio.timeout(SECONDS), self._moved:
            await self._moved.wait_for(lambda: self._inside == calls)

    async def _move(self, step: int) -> None:
        async with self._moved:
            self._inside += step
            self._moved.notify_all()
