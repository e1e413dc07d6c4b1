"""A client of WatchUnread that keeps what it is told."""

import asyncio
import time
from typing import Any

import grpc

from readstate.v1 import unread_pb2 as pb
from readstate.v1.unread_pb2_grpc import UnreadServiceStub
from tests.rpc.wire import Failure, failure_of

PATIENCE = 60.0
"""Seconds. Whoever waits longer waits for ever."""


class Watcher:
    """One stream, from when it is opened. Reads all the time."""

    def __init__(self, channel: grpc.aio.Channel, authorization: str) -> None:
        stub: Any = UnreadServiceStub(channel)
        self.states: list[pb.WatchUnreadResponse] = []
        self.times: list[float] = []
        """When each state came, by `time.monotonic`."""
        self.failure: Failure | None = None
        self._call: Any = stub.WatchUnread(pb.WatchUnreadRequest(), metadata=(("authorization", authorization),))
        self._told = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            while (state := await self._call.read()) is not grpc.aio.EOF:
                self.states.append(state)
                self.times.append(time.monotonic())
                self._tell()
        except grpc.aio.AioRpcError as error:
            self.failure = failure_of(error)
        except asyncio.CancelledError:
            pass  # it has left
        finally:
            self._tell()

    def _tell(self) -> None:
        self._told.set()
        self._told = asyncio.Event()

    async def state(self, *, within: float = PATIENCE, **fields: object) -> pb.WatchUnreadResponse:
        """The first state, past ones included, with these fields. AssertionError if the stream ends without it."""
        seen = 0
        async with asyncio.timeout(within):
            while True:
                for state in self.states[seen:]:
                    if all(getattr(state, name) == value for name, value in fields.items()):
                        return state
                seen = len(self.states)
                assert not self._reading.done(), self.failure
                await self._told.wait()

    async def end(self, *, within: float = PATIENCE) -> Failure:
        """How the stream ends."""
        async with asyncio.timeout(within):
            await asyncio.wait([self._reading])  # which a timeout does not cancel
        assert self.failure is not None, "it has ended without an error"
        return self.failure

    async def fingerprint(self) -> str | None:
        """What the initial metadata says of the ticket's token."""
        return dict(await self._call.initial_metadata()).get("readstate-token-sha256")

    def leave(self) -> None:
        self._call.cancel()
        self._reading.cancel()
