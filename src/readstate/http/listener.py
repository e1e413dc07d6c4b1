"""An ASGI app on a TCP port, inside a running event loop."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from readstate.errors import StartupError
from readstate.http.limits import Limits
from readstate.http.protocol import HttpConnection

MOST_UNSENT: Final = 64 << 10
"""Bytes of an answer that the kernel may hold unsent. Its own limit is some megabytes. They cost memory for each client
that does not read, and for a long time nobody sees whether a client reads."""
LAST_ANSWERS: Final = 0.5
"""Seconds for the answers of requests that are cancelled because the grace is over."""


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone: the command that composes the process owns them."""
        yield


@asynccontextmanager
async def listening(
    app: ASGIApp, address: str, *, setting: str, grace: int = 1, limits: Limits | None = None
) -> AsyncIterator[int]:
    """Serve `app` on `address`, HOST:PORT; yields the port, which is another one where PORT was 0.

    On leaving, requests in flight have `grace` seconds to finish.

    Raises:
        StartupError: the address cannot be bound. Names `setting`.
    """
    limits = limits or Limits()

    async def enforce_time_limits() -> None:
        for connection in tuple(server.server_state.connections):
            if isinstance(connection, HttpConnection):
                connection.enforce_time_limits()

    listener = _bind(address, setting)
    config = uvicorn.Config(
        app,
        loop="none",
        lifespan="off",
        http=partial(HttpConnection, limits=limits),  # type: ignore[arg-type]
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=limits.idle_seconds,
        timeout_graceful_shutdown=grace,
        callback_notify=enforce_time_limits,
        timeout_notify=1,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]), name=f"http {setting}")
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)
        await _end(server.server_state)
        listener.close()


async def _end(state: ServerState) -> None:
    """End what is left when the grace is over. uvicorn has cancelled the requests. The app may still answer them."""
    if state.tasks:
        await asyncio.wait(state.tasks, timeout=LAST_ANSWERS)
    for connection in tuple(state.connections):
        connection.transport.abort()


def _bind(address: str, setting: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        family, *_, sockaddr = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(sockaddr[:2], family=family, backlog=2048)
    except OSError as error:
        raise StartupError(f"{setting}: cannot listen on {address}: {error.strerror or error}") from error
    # Accepted connections inherit it.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, MOST_UNSENT)
    return listener
