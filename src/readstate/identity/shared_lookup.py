"""One look-up for all who ask the same at the same time."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from contextvars import Context
from functools import partial
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SharedLookup(Generic[K, V]):
    """What is asked → the answer. Raises what `look_up` raises, to everybody who waits for it.

    A look-up has the time of a call of its own. So nobody fails because somebody else has less time, or leaves.
    """

    def __init__(self, look_up: Callable[[K], Awaitable[V]]) -> None:
        self._look_up = look_up
        self._running: dict[K, asyncio.Task[V]] = {}

    async def __call__(self, asked: K) -> V:
        task = self._running.get(asked)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._ask(asked), context=Context())
            self._running[asked] = task
            task.add_done_callback(partial(self._ended, asked))
        return await asyncio.shield(task)

    def forget(self) -> None:
        """From now on nobody joins a look-up that began before now: what it reads may be old."""
        self._running.clear()

    async def _ask(self, asked: K) -> V:
        return await self._look_up(asked)

    def _ended(self, asked: K, task: "asyncio.Task[V]") -> None:
        if self._running.get(asked) is task:
            del self._running[asked]
        if not task.cancelled():
            task.exception()  # looked at, or asyncio complains where everybody has left
