"""Waiting for a change: `asyncio.Event` in less memory. Every stream has one, and waits for it."""

import asyncio


class Changes:
    """Wakes all who wait, and nobody who comes later."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[bool]] = set()

    async def within(self, seconds: float) -> bool:
        """Wait for the next `tell`; returns whether it came within these seconds."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        timer = loop.call_later(seconds, _wake, waiter, False)
        self._waiting.add(waiter)
        try:
            return await waiter
        finally:
            timer.cancel()
            self._waiting.discard(waiter)

    def tell(self) -> None:
        """Wake them."""
        for waiter in self._waiting:
            _wake(waiter, True)
        self._waiting.clear()


def _wake(waiter: "asyncio.Future[bool]", told: bool) -> None:
    if not waiter.done():
        waiter.set_result(told)
