from collections.abc import AsyncIterator

import grpc
import pytest

from readstate.app import Running
from readstate.config import ServerSettings
from tests.rpc.wire import Wire


@pytest.fixture
async def channel(server: Running) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield channel


@pytest.fixture
async def wire(channel: grpc.aio.Channel, settings: ServerSettings) -> Wire:
    return Wire(channel, settings)
