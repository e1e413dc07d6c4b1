"""Real Envoys, with the configurations of `deploy/cells` and `deploy/envoy`, in front of two real cells."""

import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import grpc
import jwt
import pytest
import yaml

from readstate.client import ReadState
from readstate.errors import Unauthenticated, Unavailable
from readstate.v1 import system_events_pb2, system_events_pb2_grpc
from tests.acceptance.processes import free_port
from tests.conftest import settings_on
from tests.deploy import envoy as inner
from tests.deploy.test_envoy import Fleet
from tests.servers import PostgresServer
from tests.serving import gateway_to, serving
from tests.waiting import until_answered

CONFIGURATION: Final = Path(__file__).parents[2] / "deploy" / "cells" / "envoy.yaml"
PRODUCER: Final = "system_events:write directory:write"


@dataclass(frozen=True)
class Cells:
    """Cells a and b behind one Envoy. In each, ada and grace are members of acme: it knows nothing of the other one."""

    fleet: Fleet

    def client(self, user: str, cell: str | None, *, scope: str = "") -> ReadState:
        root = self.fleet.certificate.read_bytes()
        return ReadState(f"localhost:{self.fleet.port}", token=token(user, cell, scope), root_certificates=root)

    async def get(self, path: str, *, bearer: str | None = None, **headers: str) -> tuple[int, Any]:
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(f"{self.fleet.url}{path}", ssl=self.fleet.tls) as response,
        ):
            return response.status, await response.json()

    async def unread(self, cell: str | None, *, user: str = "ada", **headers: str) -> int:
        _, body = await self.get("/v1/system-events/unread-count", bearer=token(user, cell), **headers)
        return int(body["unread_count"])


def token(user: str, cell: str | None, scope: str = "") -> str:
    settings = settings_on("")
    assert settings.token_secret is not None
    claims: dict[str, Any] = {"iss": settings.token_issuer, "aud": settings.token_audience, "sub": user, "scope": scope}
    claims |= {"exp": int(time.time()) + 600} | ({} if cell is None else {"cell": cell})
    return jwt.encode(claims, settings.token_secret.get_secret_value(), "HS256")


@pytest.fixture(scope="module")
async def cells(embedded_postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cells]:
    """One for all tests. Acme has 10 events in cell a and 20 in cell b, and ada has read none."""
    tmp_path = tmp_path_factory.mktemp("cells")
    inner.certificate(tmp_path)
    async with AsyncExitStack() as stack:
        ports = {}
        for cell in "a", "b":
            url = await stack.enter_async_context(embedded_postgres.copied(embedded_postgres.template))
            server = await stack.enter_async_context(serving(url))
            gateway = await stack.enter_async_context(gateway_to(f"127.0.0.1:{server.port}"))
            ports[cell] = free_port()
            folder = tmp_path / cell
            folder.mkdir()
            for name in "tls.crt", "tls.key":
                (folder / name).symlink_to(tmp_path / name)
            adapted = inner.configuration(
                folder, listen=ports[cell], servers=[server.port], gateway=(gateway.port, gateway.admin_port)
            )
            stack.enter_context(inner.envoy(adapted, folder))
        port = free_port()
        stack.enter_context(inner.envoy(configuration(tmp_path, listen=port, cells=ports), tmp_path))
        cells = Cells(Fleet(port, tmp_path / "tls.crt", [], tmp_path / "envoy.log"))
        for cell, events in ("a", 10), ("b", 20):
            await until_answered(lambda cell=cell: serves(cells, cell), within=60)  # type: ignore[misc]
            async with cells.client("producer", cell, scope=PRODUCER) as producer:
                await producer.upsert_members({"ada": "acme", "grace": "acme"})
                await producer.record_system_events(
                    "acme", [{"event_id": i, "type": "t"} for i in range(1, events + 1)]
                )
        yield cells


async def serves(cells: Cells, cell: str) -> bool:
    """Whether this cell answers, as it answers a stranger: by its gateway, and by its server."""
    try:
        async with cells.client("nobody", cell) as nobody:
            await nobody.mark_read([1])
    except Unauthenticated:
        pass
    except Unavailable:
        return False
    try:
        status, _ = await cells.get("/v1/system-events/unread-count", bearer=token("nobody", cell))
    except aiohttp.ClientError:
        return False
    return status == 401


def configuration(folder: Path, *, listen: int, cells: dict[str, int]) -> Path:
    """The configuration of `deploy/cells`: only addresses, names, ports, paths and the issuer are others."""
    settings = settings_on("")
    assert settings.token_secret is not None
    secret = base64.urlsafe_b64encode(settings.token_secret.get_secret_value().encode()).decode().rstrip("=")
    (folder / "jwks.json").write_text(json.dumps({"keys": [{"kty": "oct", "alg": "HS256", "k": secret}]}))
    certificate = (inner.CONFIGURATION / "certificate.yaml").read_text().replace("/etc/envoy/tls", str(folder))
    (folder / "certificate.yaml").write_text(certificate)
    text = CONFIGURATION.read_text().replace("/etc/envoy/cells.crt", str(folder / "tls.crt"))
    text = text.replace("/etc/envoy", str(folder)).replace("https://issuer.example", settings.token_issuer)
    whole: Any = yaml.safe_load(text)
    whole["admin"]["address"]["socket_address"]["port_value"] = free_port()
    [listener] = whole["static_resources"]["listeners"]
    listener["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": listen}
    for cluster in whole["static_resources"]["clusters"]:
        tls = cluster["transport_socket"]["typed_config"]
        tls["sni"] = "localhost"
        tls["common_tls_context"]["validation_context"]["match_typed_subject_alt_names"][0]["matcher"] = {
            "exact": "localhost"
        }
        cluster["load_assignment"]["endpoints"] = [{"lb_endpoints": [inner.endpoint(cells[cluster["name"]])]}]
    (folder / "envoy.yaml").write_text(yaml.safe_dump(whole))
    return folder / "envoy.yaml"


async def test_the_claim_of_the_token_chooses_the_cell(cells: Cells) -> None:
    async with cells.client("grace", "b") as grace:
        assert (await grace.mark_read([1, 15])).changed == 2
    async with cells.client("grace", "a") as grace:
        assert (await grace.mark_read([15])).matched == 0
    assert (await cells.unread("a", user="grace"), await cells.unread("b", user="grace")) == (10, 18)


async def test_a_header_of_the_caller_chooses_nothing(cells: Cells) -> None:
    forged = {"x-readstate-cell": "b"}
    assert await cells.unread("a", **forged) == 10
    assert await cells.unread(None, **forged) == 10
    credentials = grpc.ssl_channel_credentials(cells.fleet.certificate.read_bytes())
    async with grpc.aio.secure_channel(f"localhost:{cells.fleet.port}", credentials) as channel:
        stub: Any = system_events_pb2_grpc.SystemEventServiceStub(channel)
        metadata = (("authorization", f"Bearer {token('ada', 'a')}"), *forged.items())
        reply = await stub.GetUnreadCount(system_events_pb2.GetUnreadCountRequest(), metadata=metadata)
        assert reply.unread_count == 10


async def test_who_has_no_valid_token_is_told_so_in_the_words_of_the_service(cells: Cells) -> None:
    for bearer in None, "nonsense":
        status, body = await cells.get("/v1/system-events/unread-count", bearer=bearer)
        assert (status, body["error"]["message"]) == (401, "Unauthorized")


async def test_a_cell_that_is_not_there_is_unavailable(cells: Cells) -> None:
    async with cells.client("ada", "c") as ada:
        with pytest.raises(Unavailable):
            await ada.mark_read([1])


async def test_a_ticket_opens_a_stream_in_the_cell_that_the_query_names(cells: Cells) -> None:
    for cell, unread in ("a", 10), ("b", 20):
        headers = {"Authorization": f"Bearer {token('ada', cell)}"}
        async with aiohttp.ClientSession(raise_for_status=True) as session:
            url = f"{cells.fleet.url}/v1/unread/ticket"
            async with session.post(url, headers=headers, ssl=cells.fleet.tls) as response:
                ticket = (await response.json())["ticket"]
            query = {"ticket": ticket, "cell": cell}
            url = f"{cells.fleet.url}/v1/unread/stream"
            async with session.get(url, params=query, ssl=cells.fleet.tls) as stream:
                data = b""
                while not data.startswith(b"data:"):
                    data = await stream.content.readline()
                    assert data, "the stream has ended"
        assert json.loads(data.removeprefix(b"data:"))["unread_count"] == unread
