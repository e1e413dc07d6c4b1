"""One stream of the server for each token, however many windows are open."""

import asyncio
import hashlib
from typing import Any, Final

import grpc
import structlog

from readstate import deadline
from readstate.changes import Changes
from readstate.gateway import problems
from readstate.gateway.live.channels import StreamChannels
from readstate.gateway.problems import Problem
from readstate.gateway.request import Request
from readstate.v1 import unread_pb2 as pb

FINGERPRINT: Final = "readstate-token-sha256"
"""In the initial metadata of a stream that a ticket has opened: the key of its token."""

log = structlog.get_logger("readstate.gateway")


class SharedStream:
    """The newest state, or why there will be no other."""

    __slots__ = ("changes", "ended", "reading", "state", "windows")

    def __init__(self) -> None:
        self.state: pb.WatchUnreadResponse | None = None
        self.ended: Problem | None = None
        self.windows = 0
        self.reading: asyncio.Task[None] | None = None
        self.changes = Changes()
        """Each state, and the end."""

    def tell(self, state: pb.WatchUnreadResponse) -> None:
        if state != self.state:  # else it is a heartbeat, and windows have their own
            self.state = state
            self.changes.tell()

    def end(self, problem: Problem) -> None:
        self.ended = problem
        self.changes.tell()


class SharedStreams:
    """The streams by the SHA-256 of their token. The gateway verifies no token, so it never goes by what one claims."""

    def __init__(self, channels: StreamChannels) -> None:
        self._channels = channels
        self._streams: dict[str, SharedStream] = {}
        self._draining = False

    async def join(self, request: Request, ticket: str | None) -> SharedStream:
        """The stream of the request's token or, without one, of the ticket. It has a state. Its caller leaves it later.

        Raises:
            Problem: what the client is to be told instead.
        """
        if self._draining:
            raise Problem(503)
        try:
            async with asyncio.timeout(deadline.CLIENT_SECONDS):
                if request.authorizations or ticket is None:
                    return await self._join(request)
                return await self._redeem(request, ticket)
        except TimeoutError:
            raise Problem(504) from None

    def leave(self, stream: SharedStream) -> None:
        """One window less. The last one ends the stream."""
        stream.windows -= 1
        if not stream.windows and stream.reading is not None:
            stream.reading.cancel()

    def drain(self) -> None:
        """End all streams, and open no other."""
        self._draining = True
        for stream in tuple(self._streams.values()):
            stream.end(Problem(503, reason="DRAINING"))

    async def _join(self, request: Request) -> SharedStream:
        metadata = request.metadata()
        key = _key(request.authorizations)
        stream = self._streams.get(key)
        if stream is None or stream.ended:
            stream = self._streams[key] = SharedStream()
            stream.reading = asyncio.create_task(self._read(key, stream, metadata), name="unread stream")
        return await self._entered(stream)

    async def _redeem(self, request: Request, ticket: str) -> SharedStream:
        """Open a stream with the ticket. Where its token has a stream already, that one serves the window."""
        metadata = (("authorization", f"Ticket {ticket}"), *request.about())
        stream = SharedStream()
        opened: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        stream.reading = asyncio.create_task(self._read_redeemed(stream, metadata, opened), name="unread stream")
        try:
            key = await opened
        except BaseException:
            stream.reading.cancel()
            raise
        present = self._streams.get(key)
        if present is not None and not present.ended:
            stream.reading.cancel()
            return await self._entered(present)
        self._streams[key] = stream
        return await self._entered(stream)

    async def _entered(self, stream: SharedStream) -> SharedStream:
        stream.windows += 1
        try:
            while stream.state is None and stream.ended is None:
                await stream.changes.within(deadline.CLIENT_SECONDS)
            if stream.state is None and stream.ended is not None:
                raise stream.ended
        except BaseException:
            self.leave(stream)
            raise
        return stream

    async def _read(self, key: str, stream: SharedStream, metadata: Any) -> None:
        try:
            with self._channels.taken() as stub:
                await _tell_all(stub.WatchUnread(pb.WatchUnreadRequest(), metadata=metadata), stream)
        except Exception as error:
            stream.end(_problem(error))
        finally:
            self._forget(key, stream)

    async def _read_redeemed(self, stream: SharedStream, metadata: Any, opened: "asyncio.Future[str]") -> None:
        key = ""
        try:
            with self._channels.taken() as stub:
                call = stub.WatchUnread(pb.WatchUnreadRequest(), metadata=metadata)
                key = dict(await call.initial_metadata()).get(FINGERPRINT, "")
                if key and not opened.done():
                    opened.set_result(key)
                await _tell_all(call, stream)
        except Exception as error:
            stream.end(_problem(error))
            if not opened.done():
                opened.set_exception(_problem(error))
        finally:
            self._forget(key, stream)

    def _forget(self, key: str, stream: SharedStream) -> None:
        if self._streams.get(key) is stream:
            del self._streams[key]


def _key(authorizations: list[bytes]) -> str:
    token = authorizations[0].partition(b" ")[2] if authorizations else b""
    return hashlib.sha256(token).hexdigest()


async def _tell_all(call: Any, stream: SharedStream) -> None:
    try:
        while (state := await call.read()) is not grpc.aio.EOF:
            stream.tell(state)
    finally:
        call.cancel()
    stream.end(Problem(503))


def _problem(error: Exception) -> Problem:
    if isinstance(error, grpc.aio.AioRpcError):
        return problems.from_grpc(error)
    log.error("internal error", exc_info=error)
    return Problem(500)
