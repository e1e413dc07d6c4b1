"""A real PostgreSQL, a database of its own for each test, and a server with four users and two organisations on it.

A test that asks for `server` runs the composition root in its own process. `READSTATE_ENGINE` chooses the engine.
"""

import asyncio
import gc
import io
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

# Before gRPC reads it: its handlers at fork end one in fifty child processes before their exec.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import pytest
import structlog
import uvicorn.server
import uvloop

from readstate import config
from readstate.client import ReadState
from readstate.config import ServerSettings
from readstate.dev import demo, embedded
from readstate.identity import tokens
from readstate.server import app
from readstate.server.app import RunningServer
from readstate.store.role_defaults import set_role_defaults
from readstate.telemetry import logs
from tests import support
from tests.cluster import CitusCluster
from tests.memory import data_folder
from tests.servers import PostgresServer

POSTGRES_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "max_connections": "300",
    "max_wal_size": "256MB",  # it may be kept in memory
}

ClientFor: TypeAlias = Callable[..., ReadState]

# What a failed test shows. structlog's own default draws every frame with its variables, which takes 0.1 s.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


class Loop(uvloop.Loop):
    """The loop that `readstate serve` runs on, made safe for a process that has used gRPC and starts another.

    uvloop runs some Python in the child before its exec. Where that happened to collect a gRPC channel, it waited for a
    thread that no fork takes along, and the parent for the child.
    """

    async def subprocess_exec(self, *args: Any, **kwargs: Any) -> Any:
        with _uncollected():
            return await super().subprocess_exec(*args, **kwargs)

    async def subprocess_shell(self, *args: Any, **kwargs: Any) -> Any:
        with _uncollected():
            return await super().subprocess_shell(*args, **kwargs)


@contextmanager
def _uncollected() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], object]]:
    return {"uvloop": Loop}


# ── Databases ────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    # Not tmp_path_factory: as root PostgreSQL runs as another user, who may not enter pytest's folders.
    with (
        data_folder("readstate-tests-") as folder,
        embedded.postgres(Path(folder) / "data", settings=POSTGRES_SETTINGS) as url,
    ):
        yield PostgresServer(url)


SHARED = pytest.StashKey[PostgresServer]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Before a worker of pytest-xdist starts: all of them share the server of the process that starts them."""
    if SHARED not in node.config.stash:
        stack = ExitStack()
        node.config.add_cleanup(stack.close)  # which also runs after Ctrl-C
        server = stack.enter_context(running_postgres())
        asyncio.run(server.make_template())
        node.config.stash[SHARED] = server
    node.workerinput["postgres_url"] = node.config.stash[SHARED].url


@pytest.fixture(scope="session")
async def embedded_postgres(request: pytest.FixtureRequest) -> AsyncIterator[PostgresServer]:
    if hasattr(request.config, "workerinput"):
        yield PostgresServer(request.config.workerinput["postgres_url"])
        return
    with running_postgres() as server:
        await server.make_template()
        yield server


@pytest.fixture(scope="session")
async def debian_postgres() -> AsyncIterator[PostgresServer]:
    binaries = support.debian_binaries()
    if binaries is None:
        assert not os.environ.get("READSTATE_REQUIRE_DEBIAN_POSTGRES"), "Debian's PostgreSQL is not installed"
        pytest.skip("Debian's PostgreSQL is not installed")
    with support.debian_postgres(binaries, POSTGRES_SETTINGS) as url:
        server = PostgresServer(url)
        await server.make_template()
        yield server


@pytest.fixture(scope="session")
def citus_postgres() -> PostgresServer:
    """The coordinator of a Citus cluster, by CITUS_URL: docs/operating/citus.md."""
    return CitusCluster(os.environ["CITUS_URL"])


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> PostgresServer:
    """The embedded server, or what the parameter names: `parametrize("postgres_server", ["debian"], indirect=True)`.
    Where CITUS_URL is set, that cluster in place of the embedded one."""
    usual = "citus" if "CITUS_URL" in os.environ else "embedded"
    server: PostgresServer = request.getfixturevalue(f"{getattr(request, 'param', usual)}_postgres")
    return server


@pytest.fixture
async def database_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A migrated database with nothing in it."""
    async with postgres_server.copied(postgres_server.template) as url:
        await set_role_defaults(url)  # they belong to a database and are not copied
        yield url


@pytest.fixture
async def empty_database_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A database that no migration has touched."""
    async with postgres_server.copied("template1") as url:
        yield url


class _Hasty:
    """`asyncio` for uvicorn: it looks ten times a second whether it is to end, and then waits as long once more."""

    def __getattr__(self, name: str) -> object:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 20)


@pytest.fixture(scope="session", autouse=True)
def _hasty_listeners() -> Iterator[None]:
    """Two thirds of what a test with a server would take, it would wait for the end of its admin listener."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uvicorn.server, "asyncio", _Hasty())
        yield


# ── The server and its callers ───────────────────────────────────────────────────────────────────────────────────────


def settings_on(database_url: str) -> ServerSettings:
    """Settings of a server on ports of its own."""
    return config.load(
        ServerSettings,
        database_url=database_url,
        token_issuer="https://id.example",
        token_audience="readstate",
        token_secret="a secret of the tests, and of nothing else",
        listen="127.0.0.1:0",
        admin_listen="127.0.0.1:0",
        drain_delay=0,
    )


@pytest.fixture
def settings(database_url: str) -> ServerSettings:
    return settings_on(database_url)


@pytest.fixture
async def server(settings: ServerSettings) -> AsyncIterator[RunningServer]:
    async with app.running_server(settings) as running:
        yield running


@pytest.fixture
async def client_for(server: RunningServer, settings: ServerSettings) -> AsyncIterator[ClientFor]:
    """Makes a client with a token of its own: `client_for("ada", scope="a b", org="acme")`."""
    async with AsyncExitStack() as stack:

        def client_for(user: str, *, scope: str = "", org: str | None = None) -> ReadState:
            token = tokens.sign(settings, user=user, scope=scope, org=org)
            client = ReadState(f"127.0.0.1:{server.port}", token=token)
            stack.push_async_callback(client.close)
            return client

        yield client_for


@pytest.fixture
async def producer(client_for: ClientFor) -> ReadState:
    """An internal service, which is no member of anything."""
    return client_for("producer", scope="system_events:write directory:write")


@pytest.fixture
async def demo_data(producer: ReadState) -> None:
    """The members and events of `readstate dev`: events 1 to 50 in acme, 51 to 100 in globex."""
    await producer.upsert_members({member.user_id: member.org_id for member in demo.MEMBERS})
    for org_id, event_ids in ("acme", demo.ACME_EVENTS), ("globex", demo.GLOBEX_EVENTS):
        await producer.record_system_events(org_id, [{"event_id": i, "type": "demo"} for i in event_ids])


@pytest.fixture
async def ada(demo_data: None, client_for: ClientFor) -> ReadState:
    return client_for("ada", org="acme")


@pytest.fixture
async def grace(demo_data: None, client_for: ClientFor) -> ReadState:
    return client_for("grace", org="acme")


@pytest.fixture
async def bob(demo_data: None, client_for: ClientFor) -> ReadState:
    return client_for("bob", org="globex")


@pytest.fixture
async def carol(demo_data: None, client_for: ClientFor) -> ReadState:
    """A member of no organisation."""
    return client_for("carol")


# ── Logs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """All that has been logged, as the commands log it, libraries included."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    root, configured = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    logs.configure_logging("debug", "json")
    yield stream.getvalue
    structlog.configure(**configured)
    root.handlers[:] = handlers
    root.setLevel(level)
