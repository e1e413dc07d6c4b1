"""The end of a server: what was accepted is finished, what is new is refused, and nobody is kept waiting."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc

from readstate.client import ReadState
from readstate.config import ServerSettings
from readstate.errors import OutOfTime, ServerEnded, Unavailable
from readstate.model import MarkResult
from readstate.rpc import server as server_module
from readstate.server import app
from readstate.server.app import RunningServer
from tests.conftest import ClientFor
from tests.rpc.gate import Gate
from tests.rpc.wire import failure
from tests.waiting import until_answered

NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Life:
    """A server that can be told to end."""

    def __init__(self, settings: ServerSettings) -> None:
        self._end = asyncio.Event()
        self._started = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._live(settings))

    async def _live(self, settings: ServerSettings) -> None:
        async with app.running_server(settings) as server:
            self._started.set_result(server)
            await self._end.wait()

    async def started(self) -> RunningServer:
        first, _ = await asyncio.wait([self._task, self._started], return_when=asyncio.FIRST_COMPLETED)
        server: RunningServer = first.pop().result()
        return server

    def end(self) -> None:
        self._end.set()

    async def ended(self) -> None:
        async with asyncio.timeout(60):
            await self._task


@pytest.fixture
def settings(settings: ServerSettings, request: pytest.FixtureRequest) -> ServerSettings:
    """As ever, but for what the test's parameter says."""
    return settings.model_copy(update=getattr(request, "param", {}))


@pytest.fixture
async def life(settings: ServerSettings) -> AsyncIterator[Life]:
    life = Life(settings)
    await life.started()
    yield life
    life.end()
    await life.ended()


@pytest.fixture
async def server(life: Life) -> RunningServer:
    return await life.started()


def watching(channel: grpc.aio.Channel) -> Any:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    return stub.Watch(health_pb2.HealthCheckRequest())


async def refused(client: ReadState) -> bool:
    try:
        await client.mark_unread([1], timeout=1)
    except Unavailable:
        return True
    except OutOfTime:  # it waits for the health of a connection that was made at the very end
        return False
    return False


async def test_calls_in_flight_are_finished_and_new_ones_refused(
    ada: ReadState, client_for: ClientFor, life: Life, gate: Gate
) -> None:
    calls = [asyncio.create_task(ada.mark_read([i])) for i in range(1, 21)]
    await gate.holds(20)
    life.end()
    await until_answered(lambda: refused(client_for("grace")))
    gate.open.set()
    assert await asyncio.gather(*calls) == [MarkResult(changed=1, matched=1)] * 20
    await life.ended()


@pytest.mark.parametrize("settings", [{"drain_delay": 0.5}], indirect=True)
async def test_it_goes_on_serving_while_load_balancers_learn(ada: ReadState, life: Life, server: RunningServer) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        watch = watching(channel)
        await watch.read()
        life.end()
        assert (await watch.read()).status == NOT_SERVING
        assert await ada.mark_read([1]) == MarkResult(changed=1, matched=1)


@pytest.mark.alone
async def test_an_open_watch_hears_it_and_is_ended_and_holds_nothing_up(life: Life, server: RunningServer) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        watch = watching(channel)
        await watch.read()
        began = time.monotonic()
        life.end()
        assert (await watch.read()).status == NOT_SERVING
        assert (await failure(watch.read())).code == StatusCode.UNAVAILABLE
        await life.ended()
    assert time.monotonic() - began < 2


@pytest.mark.alone
@pytest.mark.parametrize("settings", [{"drain_grace": 0.3}], indirect=True)
async def test_a_call_that_does_not_end_holds_it_up_for_the_grace_alone(ada: ReadState, life: Life, gate: Gate) -> None:
    call = asyncio.create_task(ada.mark_read([1]))
    await gate.holds(1)
    began = time.monotonic()
    life.end()
    with pytest.raises(Unavailable):
        await call
    await life.ended()
    assert time.monotonic() - began < 4


async def test_both_ports_are_free_again(settings: ServerSettings) -> None:
    async with app.running_server(settings) as server:
        ports = {"listen": f"127.0.0.1:{server.port}", "admin_listen": f"127.0.0.1:{server.admin_port}"}
    async with app.running_server(settings.model_copy(update=ports)) as again:
        assert (again.port, again.admin_port) == (server.port, server.admin_port)


async def test_a_server_that_ends_unasked_says_so(settings: ServerSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    grpc_server = server_module.create(settings)
    monkeypatch.setattr(server_module, "create", lambda *_: grpc_server)

    async def serve() -> None:
        async with app.running_server(settings) as server:
            await grpc_server.stop(0)
            async with asyncio.timeout(30):
                await asyncio.wait([server.ended])

    with pytest.raises(ServerEnded):
        await serve()
