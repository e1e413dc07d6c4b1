"""A listener with an app of the test's own, and clients that do not behave."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil
from starlette.types import ASGIApp, Receive, Scope, Send

from readstate.http.limits import Limits
from readstate.http.listener import listening

GET = b"GET /x HTTP/1.1\r\nhost: test\r\n\r\n"


@asynccontextmanager
async def serving(app: ASGIApp, *, grace: int = 1, **limits: float) -> AsyncIterator[int]:
    """Serve `app` with some limits of its own; yields the port."""
    async with listening(app, "127.0.0.1:0", setting="TEST", grace=grace, limits=Limits(**limits)) as port:  # type: ignore[arg-type]
        yield port


async def nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    """404, without a body."""
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


class Work:
    """An app that works until it is cancelled, or allowed to answer."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun.set()
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        await nothing_here(scope, receive, send)


class Stream:
    """An app that sends chunk after chunk, as fast as the client reads, and never looks whether it is still there."""

    def __init__(self, chunk: bytes = b"x" * 16_384) -> None:
        self.chunk = chunk
        self.sent = 0
        """Bytes."""
        self.ended = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while True:
                await send({"type": "http.response.body", "body": self.chunk, "more_body": True})
                self.sent += len(self.chunk)
        finally:
            self.ended.set()


def connections_of(port: int) -> int:
    """How many connections of clients a listener of this process holds."""
    return sum(found.laddr.port == port and bool(found.raddr) for found in psutil.Process().net_connections("tcp"))


async def connected(port: int, *, receive_buffer: int | None = None) -> socket.socket:
    """A bare connection. Nothing is read from it unless the test reads."""
    client = socket.socket()
    client.setblocking(False)
    if receive_buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
    return client
