"""SIGTERM and SIGINT. The first ends a command in order. The command decides what a second one does."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, TypeVar

import uvloop

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` on an event loop of its own."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


class Interrupted(BaseException):
    """A signal came while blocking code ran. It is no KeyboardInterrupt, because after one subprocess does not wait for
    its child."""


class Stop:
    """Knows whether the command has been asked to end, and tells its parts."""

    def __init__(self, again: Callable[[], object]) -> None:
        self._again = again
        self._asked = False
        self._raises = False
        self._task: asyncio.Task[None] | None = None

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self._asked:
            self._again()
            return
        self._asked = True
        if self._task is not None:
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)
        elif self._raises:
            raise Interrupted

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """For blocking code: inside, the signal raises Interrupted. Outside, it never interrupts a clean-up."""
        if self._asked:
            raise Interrupted
        self._raises = True
        try:
            yield
        finally:
            self._raises = False

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` on an event loop. The signal cancels it, or ends its `wait`."""
        try:
            run(self._cancellable(work))
        except asyncio.CancelledError:
            if not self._asked:
                raise

    async def _cancellable(self, work: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.ensure_future(work)
        if self._asked:
            self._task.cancel()
        try:
            await self._task
        finally:
            self._task = None

    async def wait(self, ended: asyncio.Task[Any] | None = None) -> None:
        """Wait for the signal, or for the end of a task.

        Afterwards the task is no longer cancelled, so the code that follows can await.
        """
        never = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait([ended or never])
        except asyncio.CancelledError:
            if self._task is not None:
                self._task.uncancel()


@contextmanager
def caught(*, again: Callable[[], object]) -> Iterator[Stop]:
    """Catch both signals. Every signal after the first calls `again`."""
    stop = Stop(again)
    before = {number: signal.signal(number, stop.on_signal) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
