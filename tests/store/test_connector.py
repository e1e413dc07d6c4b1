"""Opening connections where a URI names several hosts."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from readstate.deadline import HEAD_START_SECONDS
from readstate.store.connector import Connector

SOCKET = ".s.PGSQL.5432"
OPENING_SECONDS = 0.5
"""What a connection to a PostgreSQL of the tests takes at most."""


@pytest.fixture
async def silent() -> AsyncIterator[str]:
    """The folder of a socket that takes connections and says nothing, as a frozen server's."""
    connected: list[asyncio.StreamWriter] = []

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append(writer)

    with tempfile.TemporaryDirectory(prefix="readstate-silent-") as folder:
        async with await asyncio.start_unix_server(say_nothing, Path(folder) / SOCKET):
            yield folder
        for writer in connected:
            writer.close()


@pytest.fixture
def good(database_url: str) -> str:
    """The folder of a server's socket."""
    return parse_qs(urlsplit(database_url).query)["host"][0]


def url_of(database_url: str, *folders: str) -> str:
    return f"{database_url.partition('?')[0]}?host={','.join(folders)}&port=5432"


async def opened(connector: Connector, **options: Any) -> float:
    """Open a connection and close it; the seconds that opening took."""
    began = time.monotonic()
    connection = await connector.open(**options)
    seconds = time.monotonic() - began
    await connection.close()
    return seconds


@pytest.mark.alone
async def test_a_silent_host_is_passed_after_its_head_start(database_url: str, silent: str, good: str) -> None:
    connector = Connector(url_of(database_url, silent, good))
    seconds = await opened(connector)
    assert HEAD_START_SECONDS <= seconds < HEAD_START_SECONDS + OPENING_SECONDS


@pytest.mark.alone
async def test_the_last_good_host_is_first(database_url: str, silent: str, good: str) -> None:
    connector = Connector(url_of(database_url, silent, good))
    await opened(connector)
    for _ in range(5):
        assert await opened(connector) < HEAD_START_SECONDS


@pytest.mark.alone
async def test_a_host_where_nothing_listens_costs_no_time(database_url: str, good: str, tmp_path: Path) -> None:
    assert await opened(Connector(url_of(database_url, str(tmp_path), good))) < HEAD_START_SECONDS


@pytest.mark.alone
async def test_a_host_behind_many_silent_ones_is_reached_in_the_end(database_url: str, silent: str, good: str) -> None:
    silent_ones = [f"{silent}/{'./' * number}" for number in range(6)]
    connector = Connector(url_of(database_url, *silent_ones, good))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await opened(connector)
    async with asyncio.timeout(1.5):
        await opened(connector)


async def test_a_host_that_is_slow_to_open_is_not_given_up(database_url: str, good: str, silent: str) -> None:
    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2 * HEAD_START_SECONDS)
        from_server, to_server = await asyncio.open_unix_connection(Path(good) / SOCKET)
        await asyncio.gather(copied(reader, to_server), copied(from_server, writer))

    with tempfile.TemporaryDirectory(prefix="readstate-slow-") as slow:
        async with await asyncio.start_unix_server(relay, Path(slow) / SOCKET):
            assert await opened(Connector(url_of(database_url, slow, silent))) > 2 * HEAD_START_SECONDS


async def copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
    writer.close()


async def test_a_host_that_takes_no_writes_is_passed(database_url: str, good: str, tmp_path: Path) -> None:
    admin = await asyncpg.connect(database_url)
    try:
        await admin.execute(f"ALTER DATABASE {urlsplit(database_url).path[1:]} SET default_transaction_read_only = on")
    finally:
        await admin.close()
    url = url_of(database_url, good, str(tmp_path))
    with pytest.raises(asyncpg.TargetServerAttributeNotMatched):
        await opened(Connector(url))
    await opened(Connector(url + "&target_session_attrs=any"))


async def test_what_a_server_says_is_told_before_what_none_says(database_url: str, good: str, tmp_path: Path) -> None:
    for hosts in (good, str(tmp_path)), (str(tmp_path), good):
        with pytest.raises(asyncpg.InvalidCatalogNameError):
            await opened(Connector(url_of(database_url, *hosts)), database="nowhere")


async def test_leaving_a_host_ends_its_connections_also_those_in_use(
    database_url: str, good: str, tmp_path: Path
) -> None:
    connector = Connector(url_of(database_url, good, str(tmp_path)))
    idle, busy = await connector.open(), await connector.open()
    waiting = asyncio.create_task(busy.execute("SELECT pg_sleep(10)"))
    await asyncio.sleep(0.1)
    connector.leave(connector.leads_to(idle))
    with pytest.raises(asyncpg.ConnectionDoesNotExistError):
        async with asyncio.timeout(8):
            await waiting
    assert idle.is_closed()
    assert busy.is_closed()
