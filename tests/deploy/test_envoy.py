"""Real Envoy, with the configuration of `deploy/envoy`, in front of real servers and a gateway."""

import asyncio
import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest

from readstate.client import ReadState
from readstate.identity.tokens import sign
from readstate.v1 import system_events_pb2, system_events_pb2_grpc
from tests.acceptance.processes import free_port
from tests.conftest import settings_on
from tests.deploy.envoy import certificate, configuration, envoy
from tests.servers import PostgresServer
from tests.serving import gateway_to, serving
from tests.waiting import until, until_answered


@dataclass(frozen=True)
class Fleet:
    """Two servers and a gateway behind Envoy."""

    port: int
    certificate: Path
    servers: list[AsyncExitStack]
    """Each is stopped by its `aclose`."""
    log: Path

    def client(self, user: str, *, scope: str = "") -> ReadState:
        root = self.certificate.read_bytes()
        return ReadState(f"localhost:{self.port}", token=token(user, scope), root_certificates=root)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))


def token(user: str, scope: str = "") -> str:
    return sign(settings_on(""), user=user, scope=scope)


@asynccontextmanager
async def running_fleet(postgres: PostgresServer, folder: Path, **variables: str) -> AsyncIterator[Fleet]:
    """With `variables` in the servers' environment. Members of acme are ada and grace; it has 1,000 events."""
    certificate(folder)
    async with AsyncExitStack() as stack:
        database_url = await stack.enter_async_context(postgres.copied(postgres.template))
        servers = [await stack.enter_async_context(AsyncExitStack()) for _ in range(2)]
        ports = [(await server.enter_async_context(serving(database_url, **variables))).port for server in servers]
        upstream = f"ipv4:{','.join(f'127.0.0.1:{port}' for port in ports)}"
        gateway = await stack.enter_async_context(gateway_to(upstream))
        port = free_port()
        adapted = configuration(folder, listen=port, servers=ports, gateway=(gateway.port, gateway.admin_port))
        stack.enter_context(envoy(adapted, folder))
        fleet = Fleet(port, folder / "tls.crt", servers, folder / "envoy.log")
        await until_answered(lambda: serves(fleet), within=60)
        async with fleet.client("producer", scope="system_events:write directory:write") as producer:
            await producer.upsert_members({"ada": "acme", "grace": "acme"})
            await producer.record_system_events("acme", [{"event_id": i, "type": "load"} for i in range(1, 1001)])
        yield fleet


@pytest.fixture(scope="module")
async def fleet(embedded_postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    """One for all tests that leave it as it was. Each has a member of its own."""
    async with running_fleet(embedded_postgres, tmp_path_factory.mktemp("fleet")) as running:
        yield running


@pytest.fixture
async def patient_fleet(embedded_postgres: PostgresServer, tmp_path: Path) -> AsyncIterator[Fleet]:
    """A server that leaves goes on serving until Envoy has seen it, which asks every 2 seconds."""
    async with running_fleet(embedded_postgres, tmp_path, READSTATE_DRAIN_DELAY="5") as running:
        yield running


async def serves(fleet: Fleet) -> bool:
    """Whether Envoy reaches a server and the gateway."""
    headers = {"Authorization": f"Bearer {token('nobody')}"}
    try:
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(f"{fleet.url}/v1/system-events/unread-count", ssl=fleet.tls) as response,
        ):
            return response.status in (401, 403)
    except aiohttp.ClientError:
        return False


async def test_grpc_and_rest_arrive_by_one_port(fleet: Fleet) -> None:
    async with fleet.client("ada") as ada:
        assert (await ada.mark_read([1, 2])).changed == 2
    headers = {"Authorization": f"Bearer {token('ada')}"}
    async with aiohttp.ClientSession(headers=headers, raise_for_status=True) as session:
        async with session.post(f"{fleet.url}/systemevent/read", json={"id": 3}, ssl=fleet.tls) as response:
            assert await response.json() == {"success": True}
        async with session.get(f"{fleet.url}/v1/system-events/unread-count", ssl=fleet.tls) as response:
            assert (await response.json())["unread_count"] == 997


async def test_compressed_requests_stop_here(fleet: Fleet) -> None:
    credentials = grpc.ssl_channel_credentials(fleet.certificate.read_bytes())
    async with grpc.aio.secure_channel(f"localhost:{fleet.port}", credentials) as channel:
        stub: Any = system_events_pb2_grpc.SystemEventServiceStub(channel)
        request = system_events_pb2.MarkReadRequest(event_ids=range(1, 1000))
        bearer = (("authorization", f"Bearer {token('grace')}"),)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.MarkRead(request, metadata=bearer, compression=grpc.Compression.Gzip)
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert (await stub.MarkRead(request, metadata=bearer)).changed_count == 999


async def test_a_server_that_leaves_takes_no_call_with_it(patient_fleet: Fleet) -> None:
    counts: Counter[str] = Counter()
    leaving = asyncio.Event()

    async def caller(stub: Any, first: int) -> None:
        for event_id in range(first, first + 100_000):
            request = system_events_pb2.MarkReadRequest(event_ids=[event_id % 1000 + 1])
            try:
                await stub.MarkRead(request, metadata=(("authorization", f"Bearer {token('ada')}"),), timeout=30)
            except grpc.aio.AioRpcError as error:
                counts[f"{error.code().name}: {error.details()}"] += 1
            else:
                counts["OK"] += 1
            if leaving.is_set():
                return
            await asyncio.sleep(0.02)

    credentials = grpc.ssl_channel_credentials(patient_fleet.certificate.read_bytes())
    target = f"localhost:{patient_fleet.port}"
    # A channel that knows nothing of health, and neither spreads its calls nor repeats them.
    async with grpc.aio.secure_channel(target, credentials, [("grpc.enable_retries", 0)]) as channel:
        stub = system_events_pb2_grpc.SystemEventServiceStub(channel)
        callers = [asyncio.create_task(caller(stub, 10 * n)) for n in range(8)]
        await until(lambda: counts["OK"] > 100)
        await patient_fleet.servers[0].aclose()
        served = counts["OK"]
        await until(lambda: counts["OK"] > served + 100)
        leaving.set()
        await asyncio.gather(*callers)
    assert counts.keys() == {"OK"}, counts


async def test_the_log_of_envoy_has_no_query(fleet: Fleet) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{fleet.url}/v1/unread/stream?ticket=secret", ssl=fleet.tls) as response,
    ):
        await response.read()

    async def logged() -> bool:
        return "/v1/unread/stream" in fleet.log.read_text()

    await until_answered(logged, within=30)
    lines = [line for line in fleet.log.read_text().splitlines() if "/v1/unread/stream" in line]
    assert json.loads(lines[0])["path"] == "/v1/unread/stream"
    assert "secret" not in fleet.log.read_text()
