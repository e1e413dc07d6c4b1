"""A database to which a connection takes long to open, as it does over a distance, with TLS and a password."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from readstate.config import DatabaseSettings, load
from readstate.store import pool
from tests.faults.conftest import TERMINATE, Postgres

OPENING_SECONDS = 0.4
SOCKET = ".s.PGSQL.5432"


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.fixture
async def database_url(postgres_of_its_own: Postgres) -> AsyncIterator[str]:
    relays = []

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relays.append(asyncio.current_task())
        await asyncio.sleep(OPENING_SECONDS)
        from_database, to_database = await asyncio.open_unix_connection(postgres_of_its_own.sockets / SOCKET)
        await asyncio.gather(_copy(reader, to_database), _copy(from_database, writer), return_exceptions=True)

    with tempfile.TemporaryDirectory(prefix="readstate-relay-") as folder:
        async with await asyncio.start_unix_server(relay, Path(folder) / SOCKET):
            yield f"postgresql://postgres@/postgres?host={folder}&port=5432"
    await asyncio.wait([task for task in relays if task])


async def test_connections_that_were_lost_are_opened_again(postgres_of_its_own: Postgres, database_url: str) -> None:
    async with pool.connect(load(DatabaseSettings, database_url=database_url)) as database:
        await asyncio.gather(*(database.ping() for _ in range(16)))
        ending = await asyncpg.connect(postgres_of_its_own.url)
        await ending.fetch(TERMINATE)
        await ending.close()
        await asyncio.gather(*(database.ping() for _ in range(40)))
