"""A gateway in front of the server of tests/conftest.py, and a client of HTTP."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import uuid4

import httpx
import pytest

from readstate import config
from readstate.client import ReadState
from readstate.config import GatewaySettings, ServerSettings
from readstate.dev import demo
from readstate.gateway import app as gateway_app
from readstate.identity import tokens
from readstate.server import app
from readstate.server.app import RunningServer
from readstate.store import pool
from readstate.store.role_defaults import set_role_defaults
from tests.conftest import settings_on
from tests.gateway.organization import Organization, own_organization
from tests.servers import PostgresServer

PATH = "/systemevent/read"

Bearer: TypeAlias = Callable[..., dict[str, str]]


@dataclass(frozen=True)
class Gateway:
    """A gateway that listens."""

    port: int
    admin_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.admin_port}"


def settings_for(upstream: str | int, **values: Any) -> GatewaySettings:
    """Settings of a gateway for a server: its port on this machine, or a target."""
    target = f"127.0.0.1:{upstream}" if isinstance(upstream, int) else upstream
    listen = {"gateway_listen": "127.0.0.1:0", "gateway_admin_listen": "127.0.0.1:0"}
    return config.load(GatewaySettings, **({"upstream": target, "drain_delay": 0, **listen} | values))


# One database, server and gateway for all tests of this folder: what the tests leave behind are read marks.


@pytest.fixture(scope="session")
async def database_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    async with postgres_server.copied(postgres_server.template) as url:
        await set_role_defaults(url)
        yield url


@pytest.fixture(scope="session")
def settings(database_url: str) -> ServerSettings:
    return settings_on(database_url)


@pytest.fixture(scope="session")
async def server(settings: ServerSettings) -> AsyncIterator[RunningServer]:
    async with app.running_server(settings) as running:
        yield running


@pytest.fixture(scope="session")
async def demo_data(server: RunningServer, settings: ServerSettings) -> None:
    """The members and events of `readstate dev`."""
    async with pool.connect(settings) as database:
        await demo.load(database, 0, lambda _: None)


@pytest.fixture(scope="session")
async def gateway(server: RunningServer) -> AsyncIterator[Gateway]:
    async with gateway_app.running_gateway(settings_for(server.port)) as ports:
        yield Gateway(*ports)


@pytest.fixture
def bearer(settings: ServerSettings) -> Bearer:
    """The header that says who is calling: `bearer("ada")`."""

    def bearer(user: str, **values: Any) -> dict[str, str]:
        return {"authorization": f"Bearer {tokens.sign(settings, user=user, **values)}"}

    return bearer


@pytest.fixture
async def organization(server: RunningServer, gateway: Gateway, bearer: Bearer) -> AsyncIterator[Organization]:
    """An organisation of the test's own."""
    async with own_organization(server.port, gateway.url, bearer) as found:
        yield found


@pytest.fixture
async def rest(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=gateway.url, timeout=10, trust_env=False) as client:
        yield client


@pytest.fixture
async def as_ada(rest: httpx.AsyncClient, demo_data: None, bearer: Bearer) -> httpx.AsyncClient:
    """A client that ada's token goes with."""
    rest.headers.update(bearer("ada"))
    return rest


@pytest.fixture
def org_id() -> str:
    return f"watching-{uuid4().hex}"


@pytest.fixture
def wanda() -> str:
    return f"wanda-{uuid4().hex}"


@pytest.fixture
async def watched(org_id: str, wanda: str, server: RunningServer, settings: ServerSettings) -> AsyncIterator[ReadState]:
    """A client of wanda, who is alone in a new organisation with ten events."""
    scope = "system_events:write directory:write messaging:write messaging:update"
    async with ReadState(f"127.0.0.1:{server.port}", token=tokens.sign(settings, user=wanda, scope=scope)) as client:
        await client.upsert_members({wanda: org_id})
        await client.record_system_events(org_id, [{"event_id": i, "type": "t"} for i in range(1, 11)])
        yield client
