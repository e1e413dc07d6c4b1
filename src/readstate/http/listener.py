"""An ASGI app on a TCP port, inside a running event loop."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from readstate.errors import StartupError
from readstate.http.protocol import HttpConnection

KEEP_ALIVE: Final = 75
"""Seconds that an idle connection stays open: longer than proxies in front keep theirs, so that they close first."""


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone: the command that composes the process owns them."""
        yield


@asynccontextmanager
async def listening(app: ASGIApp, address: str, *, setting: str, grace: int = 1) -> AsyncIterator[int]:
    """Serve `app` on `address`, HOST:PORT; yields the port, which is another one where PORT was 0.

    On leaving, requests in flight have `grace` seconds to finish.

    Raises:
        StartupError: the address cannot be bound. Names `setting`.
    """

    async def part_with_slow_senders() -> None:
        for connection in tuple(server.server_state.connections):
            if isinstance(connection, HttpConnection):
                connection.end_if_slow()

    listener = _bind(address, setting)
    config = uvicorn.Config(
        app,
        loop="none",
        lifespan="off",
        http=HttpConnection,
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
