"""The native engine: pygrpc-native, a Rust HTTP/2 front below the same servicers and interceptors.

docs/decisions/0006-native-engine.md says what it gains, what it lacks and how to leave it. The version is pinned: this
module uses private parts of its server.
"""

import asyncio
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from functools import cache, partial
from typing import Any, Final

import grpc
import pygrpc_native.aio
from pygrpc_native import EVENT_CANCEL, STREAM_CLOSED, STREAM_FULL

from readstate.errors import StartupError
from readstate.rpc.access import ACCESS
from readstate.rpc.call import Method
from readstate.rpc.interceptors import Limiter
from readstate.rpc.status import status_of
from readstate.telemetry.logs import request_id

WRITING_SECONDS: Final = 1.0
"""After its grace, a stop waits this long until the answers are written. It has an end: a client may have stopped
reading."""
FLUSHING_SECONDS: Final = 0.2
"""The front counts an answer as written when it has handed it to the connection, whose own task sends it. A close drops
what that task has not sent yet, and nothing tells when it has. On a busy machine the task may wait for a core."""

FULL_SECONDS: Final = 0.005
LONGEST_FULL_SECONDS: Final = 0.1
"""How long a full stream waits before it is tried again, at first and at last. The front tells nobody of room."""


class NativeServer(pygrpc_native.aio.Server):
    """pygrpc-native's server, with four faults mended.

    A leak. The server keeps a table of calls, and a call's own code takes it out. If the deadline passes before the
    task's first step, that code never runs. In a stalled loop 300 of 300 calls stayed in the table.

    Lost answers. A stop closed the connections as soon as the handlers had ended, before the front had written their
    answers. That happened in 14 of 20 stops with 40 calls in flight.

    Parked threads. A message for a client that does not read waited in a thread of the loop's default executor. It has
    few: twelve such clients stopped every stream that was full for a moment.

    A wedged loop. When the client had gone, `write` returned at once, as if it had written. A handler that only writes
    then never let the loop tell it that it was cancelled.

    With a limiter, it refuses calls before each has a task of its own. A flood then costs little beside the calls that
    are served.
    """

    def __init__(self, limiter: Limiter | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._limiter = limiter
        # Only its metrics tell what the front has written.
        self._front_args["metrics"] = True

    async def _start_fallback(self, *handlers: Any) -> None:
        # Raises StartupError. A container with a read-only root may have no folder for temporary files.
        try:
            await super()._start_fallback(*handlers)
        except (OSError, RuntimeError) as error:
            raise StartupError(
                "READSTATE_ENGINE=native needs a folder for a socket: set TMPDIR to a short path that can be written to"
            ) from error

    async def stop(self, grace: float | None) -> None:
        """End as grpc.aio's server does: refuse new calls, and give calls in flight `grace` seconds."""
        if not self._stopping:
            self._stopping = True
            await self._finish_calls(grace or 0)
            self._stopping = False  # else the next line waits for itself
        await super().stop(0)

    async def _finish_calls(self, grace: float) -> None:
        tasks = [call.task for call in self._calls.values() if call.task is not None]
        unfinished = (await asyncio.wait(tasks, timeout=grace))[1] if tasks else ()
        with suppress(TimeoutError):
            async with asyncio.timeout(WRITING_SECONDS):
                while self._unwritten() > len(unfinished):  # noqa: ASYNC110 - the front announces nothing
                    await asyncio.sleep(0.002)
        if tasks:
            await asyncio.sleep(FLUSHING_SECONDS)

    def _unwritten(self) -> int:
        """Calls that have begun, and whose whole answer the front has not written yet."""
        metrics = self._front.metrics() if self._front else None
        methods = metrics["methods"].values() if metrics else ()
        return sum(m["started"] - sum(ended["count"] for ended in m["status"].values()) for m in methods)

    async def _send(self, call: Any, context: Any, response: Any) -> bool:
        """Write one message of a stream.

        Raises:
            InternalError: the client has gone, as grpc.aio says it.
        """
        data = self._encode(call, context, response)
        seconds = FULL_SECONDS
        while data is not None and self._front is not None:
            sent = self._front.stream_try_send(call.call_id, data)
            if sent == STREAM_CLOSED:
                break
            context._initial_sent = True
            if sent != STREAM_FULL:
                return True
            await asyncio.sleep(seconds)
            seconds = min(2 * seconds, LONGEST_FULL_SECONDS)
        raise grpc.aio.InternalError("the stream has ended")

    def _run_unary(self, call: Any, context: Any, request: Any) -> Coroutine[Any, Any, None]:
        # Its own makes a named tuple of each entry, and of the same metadata for each who asks.
        context.invocation_metadata = lambda: call.metadata
        return super()._run_unary(call, context, request)

    def _on_events(self, events: list[tuple[Any, ...]]) -> None:
        for event in events:
            # One by one: each that is taken in counts for the next.
            if not self._shed(*event):
                super()._on_events([event])
        self._forget_when_done(call_id for kind, call_id, *_ in events if kind == EVENT_CANCEL)

    def _shed(
        self, _kind: int, call_id: int, method_id: int, _payload: object, _key: object, details: tuple[Any, ...] | None
    ) -> bool:
        limiter = self._limiter
        # The table holds the calls that have not begun yet, too.
        if limiter is None or details is None or len(self._calls) - limiter.exempt < limiter.limit or self._stopping:
            return False
        method = _method(self._table[method_id][0])
        if not method.access.token or method.access.lasting:
            return False
        given = next((value for key, value in details[0] if key == "x-request-id"), None)
        status = status_of(limiter.refuse_unseen(method.name), request_id(given))
        self._front.fail(call_id, status.code.value[0], status.message, list(status.trailing_metadata))  # type: ignore[union-attr]
        return True

    def _forget_when_done(self, call_ids: Iterable[int]) -> None:
        for call_id in call_ids:
            call = self._calls.get(call_id)
            if call is not None and call.task is not None:
                call.task.add_done_callback(partial(self._forget, call_id))

    def _forget(self, call_id: int, _: object) -> None:
        self._calls.pop(call_id, None)


@cache
def _method(path: str) -> Method:
    return Method(path, ACCESS[path], streaming=False)
