"""An ASGI app on a TCP port, inside a running event loop."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from readstate.errors import StartupError

LARGEST_HEAD: Final = 64 << 10
"""Bytes of a request line with its headers."""
SLOWEST_REQUEST: Final = 30.0
"""Seconds within which a request has to arrive, its body included."""
KEEP_ALIVE: Final = 75
"""Seconds that an idle connection stays open: longer than proxies in front keep theirs, so that they close first."""


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone: the command that composes the process owns them."""
        yield


class _Protocol(HttpToolsProtocol):
    """uvicorn's, with bounds on what it waits for and keeps, and with errors in JSON."""

    _awaited_since: float | None = None
    _in_head = True
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._awaited_since = self.loop.time()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._awaited_since = self.loop.time()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # a trailer is no header (RFC 9110, section 6.5.1)
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head, self._head_bytes = False, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head, self._awaited_since = True, None

    def eof_received(self) -> bool:  # type: ignore[override]
        """A client that has said all may still read (RFC 9112, section 9.6): keep open until it has its answer."""
        if self._awaited_since is not None or self.cycle.response_complete:
            return False
        self.cycle.keep_alive = False
        return True

    def data_received(self, data: bytes) -> None:
        if not self._in_head:
            super().data_received(data)
            return
        # The parser reads no body of a request that asks for an upgrade, as Java's client and curl --http2 do.
        super().data_received(_without_upgrade(data) if b"pgrade" in data else data)
        if self._awaited_since is not None and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > LARGEST_HEAD:
                self._end(b"431 Request Header Fields Too Large", "Request header fields too large")

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP."""
        self._end(b"400 Bad Request", msg)

    def end_if_slow(self) -> None:
        """Close the connection if a request has been arriving for too long."""
        if self._awaited_since is not None and self.loop.time() > self._awaited_since + SLOWEST_REQUEST:
            self.transport.close()

    def _end(self, status: bytes, message: str) -> None:
        body = json.dumps({"error": message}, separators=(",", ":")).encode()
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close" % len(body)
        self.transport.write(b"HTTP/1.1 %b\r\n%b\r\n\r\n%b" % (status, head, body))
        self.transport.close()


def _without_upgrade(data: bytes) -> bytes:
    """The same bytes, but for the field that a server may ignore (RFC 9110, section 7.8)."""
    head, end, rest = data.partition(b"\r\n\r\n")
    return re.sub(rb"\r\nupgrade:", rb"\r\nx-upgrade:", head, flags=re.IGNORECASE) + end + rest


@asynccontextmanager
async def listening(app: ASGIApp, address: str, *, setting: str, grace: int = 1) -> AsyncIterator[int]:
    """Serve `app` on `address`, HOST:PORT; yields the port, which is another one where PORT was 0.

    On leaving, requests in flight have `grace` seconds to finish.

    Raises:
        StartupError: the address cannot be bound. Names `setting`.
    """

    async def part_with_slow_senders() -> None:
        for connection in tuple(server.server_state.connections):
            if isinstance(connection, _Protocol):
                connection.end_if_slow()

    listener = _bind(address, setting)
    config = uvicorn.Config(
        app,
        loop="none",
        lifespan="off",
        http=_Protocol,
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=grace,
        callback_notify=part_with_slow_senders,
        timeout_notify=1,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]), name=f"http {setting}")
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)
        listener.close()


def _bind(address: str, setting: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        family, *_, sockaddr = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
        return socket.create_server(sockaddr[:2], family=family, backlog=2048)
    except OSError as error:
        raise StartupError(f"{setting}: cannot listen on {address}: {error.strerror or error}") from error
