"""What one mark, one event and one notification cost: CPU of server and database, WAL, disk.

    python -m bench.units        # half a minute
    python -m bench.units 16     # the same with tables in 16 partitions (docs/operating/partitioning.md)

`readstate size` has these figures (src/readstate/sizing.py). 256 calls are in flight, so marks are committed many at a
time. CPU is what the operating system counts for the processes. WAL includes the images of whole pages that PostgreSQL
writes after a checkpoint, which comes before each line.
"""

import asyncio
import itertools
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import psutil

from bench.database import SETTINGS
from bench.plan import BUILD
from bench.retention import process, settings_on
from readstate.client import ReadState
from readstate.dev import embedded
from readstate.identity.tokens import sign
from readstate.store.migrate import migrate

EVENTS: Final = 200_000
MEMBERS: Final = 64
IN_FLIGHT: Final = 256
SECONDS: Final = 6.0
STRIDE: Final = 7919
"""Scatters the marks of a member, and meets every event once."""
FOLDER: Final = BUILD / "units"

LOAD: Final = f"""
INSERT INTO organization (org_id) VALUES ('bench');
INSERT INTO event_stream (org_key, last_seq, last_event_id) VALUES (1, {EVENTS}, {EVENTS});
INSERT INTO member (user_id, org_key) SELECT 'user' || n, 1 FROM generate_series(1, {MEMBERS}) n;
INSERT INTO system_event (org_key, seq, event_id, type, title, payload, occurred_at)
SELECT 1, n, n, 'bucket.created', 'Bucket number ' || n || ' was created',
       jsonb_build_object('bucket_id', n, 'region', 'eu-central'), now() FROM generate_series(1, {EVENTS}) n;
VACUUM ANALYZE
"""
PARTITIONED: Final = ("read_mark", "read_cursor", "notification", "notification_cursor")
SIZE: Final = """
SELECT coalesce(sum(pg_total_relation_size(relid)), pg_total_relation_size($1::regclass))::bigint
  FROM pg_partition_tree($1::regclass)
"""
EVENT: Final = {"type": "bucket.created", "title": "Bucket number 100000 was created",
                "payload": {"bucket_id": 100000, "region": "eu-central"}}  # fmt: skip


@dataclass
class Site:
    """What is measured."""

    connection: "asyncpg.Connection[Any]"
    server: psutil.Process
    callers: list[ReadState]

    async def database(self) -> list[psutil.Process]:
        postmaster = psutil.Process(await self.connection.fetchval("SELECT pg_backend_pid()")).parent()
        assert postmaster is not None
        return [postmaster, *postmaster.children(recursive=True)]


def cpu(processes: list[psutil.Process]) -> float:
    return sum(sum(p.cpu_times()[:2]) for p in processes if p.is_running())


async def unit(site: Site, name: str, table: str, calls: Iterator[Callable[[], Awaitable[int]]]) -> None:
    """Print what a call costs, and a row of the table."""
    await site.connection.execute("CHECKPOINT")
    size = await site.connection.fetchval(SIZE, table)
    rows = await site.connection.fetchval(f"SELECT count(*) FROM {table}")
    wal, postgres = await site.connection.fetchval("SELECT pg_current_wal_lsn()"), await site.database()
    before = cpu([site.server]), cpu(postgres)
    ends_at, made, things = time.monotonic() + SECONDS, 0, 0

    async def call() -> None:
        nonlocal made, things
        while time.monotonic() < ends_at:
            done = await next(calls)()
            made, things = made + 1, things + done

    await asyncio.gather(*(call() for _ in range(IN_FLIGHT)))
    server, database = cpu([site.server]) - before[0], cpu(postgres) - before[1]
    written = await site.connection.fetchval("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), $1::pg_lsn)::float8", wal)
    after = await site.connection.fetchval(SIZE, table)
    new = await site.connection.fetchval(f"SELECT count(*) FROM {table}") - rows
    print(
        f"{name:22} {made / SECONDS:7,.0f} calls/s  {things / SECONDS:7,.0f} rows/s  CPU a call: server"
        f" {1e6 * server / made:5.0f} µs, database {1e6 * database / made:5.0f} µs"
        f"  a row: database {1e6 * database / max(things, 1):5.1f} µs,"
        f" WAL {written / max(things, 1):5.0f} bytes, disk {(after - size) / max(new, 1):5.0f} bytes",
        flush=True,
    )


def marks(site: Site) -> Iterator[Callable[[], Awaitable[int]]]:
    """Each call marks one event that its member has not read."""
    for number in itertools.count():
        client, event = site.callers[number % MEMBERS], number // MEMBERS

        async def mark(client: ReadState = client, event: int = event) -> int:
            return (await client.mark_read([event * STRIDE % EVENTS + 1])).changed

        yield mark


def records(site: Site) -> Iterator[Callable[[], Awaitable[int]]]:
    """Each call records one event."""
    while True:
        yield lambda: _record(site)


async def _record(site: Site) -> int:
    return len(await site.callers[0].record_system_events("bench", [EVENT]))


def counts(site: Site) -> Iterator[Callable[[], Awaitable[int]]]:
    """Each call asks for a member's unread count."""
    for number in itertools.count():
        client = site.callers[number % MEMBERS]

        async def count(client: ReadState = client) -> int:
            await client.unread_count()
            return 1

        yield count


async def partition(connection: "asyncpg.Connection[Any]", partitions: int) -> None:
    """As the page on partitioning says."""
    for table in PARTITIONED if partitions else ():
        await connection.execute(f"ALTER TABLE {table} RENAME TO {table}_before")
        await connection.execute(
            f"CREATE TABLE {table} (LIKE {table}_before INCLUDING ALL) PARTITION BY HASH (org_key)"
        )
        for number in range(partitions):
            await connection.execute(
                f"CREATE TABLE {table}_{number} PARTITION OF {table}"
                f" FOR VALUES WITH (MODULUS {partitions}, REMAINDER {number})"
            )
        await connection.execute(f"DROP TABLE {table}_before")


async def measure(url: str, partitions: int) -> None:
    """Print the units."""
    await migrate(url)
    connection = await asyncpg.connect(url)
    await partition(connection, partitions)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(connection.close)
        for statement in LOAD.split(";\n"):
            await connection.execute(statement)
        served = await stack.enter_async_context(process("serve", url))
        port = (await served.readline()).decode().strip()
        (server,) = [p for p in psutil.Process().children() if "bench.retention" in p.cmdline()]
        clients = []
        for number in range(1, MEMBERS + 1):
            token = sign(settings_on(url), user=f"user{number}", scope="system_events:write")
            clients.append(await stack.enter_async_context(ReadState(f"127.0.0.1:{port}", token=token)))
        site = Site(connection, server, clients)
        await unit(site, "mark (caches fill)", "read_mark", marks(site))
        await connection.execute("TRUNCATE read_mark, read_cursor")
        await unit(site, "mark", "read_mark", marks(site))
        await unit(site, "unread count", "read_mark", counts(site))
        await unit(site, "record", "system_event", records(site))


async def measure_new(url: str, partitions: int) -> None:
    """Measure on a new database."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("DROP DATABASE IF EXISTS units")
        await connection.execute("CREATE DATABASE units")
        await measure(url.replace("/postgres?", "/units?"), partitions)
    finally:
        await connection.close()


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    with embedded.postgres(embedded.data_folder(FOLDER), settings=SETTINGS) as url:
        asyncio.run(measure_new(url, int(sys.argv[1]) if sys.argv[1:] else 0))
