"""Two servers on one database, and watchers."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeAlias

import grpc
import pytest

from readstate.client import ReadState
from readstate.config import ServerSettings
from readstate.identity import tokens
from readstate.server import app
from readstate.server.app import RunningServer
from tests.unread.watcher import Watcher

Watch: TypeAlias = Callable[..., Watcher]


@pytest.fixture
def settings(settings: ServerSettings, request: pytest.FixtureRequest) -> ServerSettings:
    """As ever, but for what the test's parameter says."""
    return settings.model_copy(update={"token_leeway": 0} | getattr(request, "param", {}))


@pytest.fixture
async def other_server(settings: ServerSettings, server: RunningServer) -> AsyncIterator[RunningServer]:
    async with app.running_server(settings) as running:
        yield running


@pytest.fixture
async def ada_elsewhere(
    demo_data: None, other_server: RunningServer, settings: ServerSettings
) -> AsyncIterator[ReadState]:
    """ada, as a client of the other server."""
    async with ReadState(f"127.0.0.1:{other_server.port}", token=tokens.sign(settings, user="ada")) as client:
        yield client


@pytest.fixture
async def producer_elsewhere(other_server: RunningServer, settings: ServerSettings) -> AsyncIterator[ReadState]:
    token = tokens.sign(settings, user="producer", scope="system_events:write directory:write messaging:write")
    async with ReadState(f"127.0.0.1:{other_server.port}", token=token) as client:
        yield client


@pytest.fixture
async def watch(server: RunningServer, settings: ServerSettings) -> AsyncIterator[Watch]:
    """Opens a stream: `watch("ada", scope="messaging:read")`, or `watch(ticket="…")`."""
    async with AsyncExitStack() as stack:
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{server.port}"))

        def watch(user: str = "", *, ticket: str = "", **claims: Any) -> Watcher:
            authorization = f"Ticket {ticket}" if ticket else f"Bearer {tokens.sign(settings, user=user, **claims)}"
            watcher = Watcher(channel, authorization)
            stack.callback(watcher.leave)
            return watcher

        yield watch
