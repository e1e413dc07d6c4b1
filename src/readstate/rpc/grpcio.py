"""The grpcio engine: grpc.aio's server, and below it grpc-core.

This module uses private parts of grpcio: docs/decisions/0013-grpcio.md says which, and what guards them.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import grpc
import structlog
from grpc._cython import cygrpc
from grpc.aio import _server

from readstate.wake_ups import all_wake_ups

INTAKES: Final = 16
"""Calls that grpc-core may hand over at once, beside grpc.aio's own one. docs/decisions/0019-fair-batches.md has the
measurement."""

log = structlog.get_logger("readstate.rpc")


class GrpcioServer(_server.Server):
    """grpc.aio's server, with two faults mended. Both let calls wait inside grpc-core, in one line for everybody. There
    nobody knows whose they are, so the flood of one organisation held up all others.

    One call at a time. grpc.aio asks grpc-core for the next call when it has got the one before, and gets it a turn or
    two of the event loop later. The busier the loop is, the longer are its turns, and the fewer calls are taken in.

    One event at a time. See `readstate.wake_ups`.
    """

    def __init__(self, options: Sequence[tuple[str, Any]]) -> None:
        self._handlers: list[grpc.GenericRpcHandler] = []
        self._intakes: list[asyncio.Task[None]] = []
        self._calls: set[asyncio.Task[None]] = set()
        self._stopping: asyncio.Task[None] | None = None
        with all_wake_ups(asyncio.get_running_loop()):
            super().__init__(None, (), (), options, None, None)

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        self._handlers.extend(handlers)
        super().add_generic_rpc_handlers(handlers)

    async def start(self) -> None:
        await super().start()
        self._intakes = [asyncio.create_task(self._take_in(), name="intake") for _ in range(INTAKES)]
        for intake in self._intakes:
            intake.add_done_callback(self._ended)

    async def _take_in(self) -> None:
        """What grpc.aio's own loop does: ask for a call, and start what serves it."""
        loop = asyncio.get_running_loop()
        with suppress(cygrpc._RequestCallError):  # the server stops
            while self._server.is_running():
                state = await self._server._request_call()
                serving = cygrpc._handle_rpc(self._handlers, (), state, loop, False)
                call = loop.create_task(cygrpc._schedule_rpc_coro(serving, state, loop))
                self._calls.add(call)
                call.add_done_callback(self._calls.discard)

    def _ended(self, intake: asyncio.Task[None]) -> None:
        """End the server, as a failure of grpc.aio's own loop does."""
        if not intake.cancelled() and (error := intake.exception()) is not None:
            log.error("calls are not taken in any more", exc_info=error)
            self._stopping = asyncio.create_task(self.stop(None))
