"""Every test of the store that uses a database runs twice: on the embedded PostgreSQL and on Debian's older one."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from readstate.config import DatabaseSettings, load
from readstate.store import pool
from readstate.store.marks.store import MarkStore
from readstate.store.pool import Database
from readstate.telemetry.metrics import Metrics
from tests.servers import PostgresServer


@pytest.fixture(scope="session", params=["embedded", "debian"])
def postgres_server(request: pytest.FixtureRequest) -> PostgresServer:
    server: PostgresServer = request.getfixturevalue(f"{request.param}_postgres")
    return server


@pytest.fixture
async def connection(database_url: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """A connection beside the store's, to look at what it has done."""
    opened = await asyncpg.connect(database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with pool.connect(load(DatabaseSettings, database_url=database_url)) as opened:
        yield opened


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def marks(database: Database, metrics: Metrics) -> AsyncIterator[MarkStore]:
    store = MarkStore(database, metrics)
    yield store
    await store.drain()
