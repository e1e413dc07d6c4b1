"""An ASGI app on a TCP port, inside a running event loop."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp

from readstate.errors import StartupError


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
    listener = _bind(address, setting)
    config = uvicorn.Config(
        app,
        loop="none",
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=grace,
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
