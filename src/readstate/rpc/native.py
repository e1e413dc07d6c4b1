"""The native engine: pygrpc-native, a Rust HTTP/2 front below the same servicers and interceptors.

docs/decisions/0006-native-engine.md says what it gains, what it lacks and how to leave it. The version is pinned,
because this module knows the inside of its server.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Any, Final

import pygrpc_native.aio
from pygrpc_native import EVENT_CANCEL

WRITING_SECONDS: Final = 1.0
"""What a stop waits, beyond its grace, for answers to be written: a client may have stopped reading."""


class NativeServer(pygrpc_native.aio.Server):
    """pygrpc-native's server, without its leak and with an end that loses no answer.

    A call that ends before its task's first step (its deadline passed while the loop was busy) runs none of the code
    that would take it out of the server's table, and stayed there for ever: 300 of 300 in a stalled loop.

    Stopping, it closed the connections as soon as the handlers had ended, and dropped what they had answered and the
    front had not written yet: in 14 of 20 stops with 40 calls in flight.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # The front tells only through its metrics what it has written.
        self._front_args["metrics"] = True

    async def stop(self, grace: float | None) -> None:
        """End as grpc.aio's server does: new calls are refused, those in flight have `grace` seconds."""
        if not self._stopping:
            self._stopping = True
            await self._finish_calls(grace or 0)
            self._stopping = False  # or the next line would wait for its own end
        await super().stop(0)

    async def _finish_calls(self, grace: float) -> None:
        tasks = [call.task for call in self._calls.values() if call.task is not None]
        unfinished = (await asyncio.wait(tasks, timeout=grace))[1] if tasks else ()
        with suppress(TimeoutError):
            async with asyncio.timeout(WRITING_SECONDS):
                while self._unwritten() > len(unfinished):  # noqa: ASYNC110 - the front announces nothing
                    await asyncio.sleep(0.002)

    def _unwritten(self) -> int:
        """Calls that have begun and whose answer the front has not written to the end."""
        metrics = self._front.metrics() if self._front else None
        methods = metrics["methods"].values() if metrics else ()
        return sum(m["started"] - sum(ended["count"] for ended in m["status"].values()) for m in methods)

    def _on_events(self, events: list[tuple[Any, ...]]) -> None:
        super()._on_events(events)
        self._forget_when_done(call_id for kind, call_id, *_ in events if kind == EVENT_CANCEL)

    def _forget_when_done(self, call_ids: Iterable[int]) -> None:
        for call_id in call_ids:
            call = self._calls.get(call_id)
            if call is not None and call.task is not None:
                call.task.add_done_callback(partial(self._forget, call_id))

    def _forget(self, call_id: int, _: object) -> None:
        self._calls.pop(call_id, None)
