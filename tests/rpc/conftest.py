from collections.abc import AsyncIterator

import grpc
import pytest

from readstate.config import ServerSettings
from readstate.server.app import RunningServer
from readstate.store.marks.store import MarkStore
from tests.rpc.gate import Gate
from tests.rpc.wire import Wire


@pytest.fixture
async def channel(server: RunningServer) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield channel


@pytest.fixture
async def wire(channel: grpc.aio.Channel, settings: ServerSettings) -> Wire:
    return Wire(channel, settings)


@pytest.fixture
async def gate(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gate]:
    gate = Gate(MarkStore.mark_read)
    # A function, so that it is called with the store: a bound method would not be.
    monkeypatch.setattr(MarkStore, "mark_read", lambda *args, **kwargs: gate.mark_read(*args, **kwargs))
    yield gate
    gate.open.set()
