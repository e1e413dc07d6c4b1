"""What `readstate prune` costs: 10^7 marks go, while callers mark other events.

    python -m bench.retention load       # some minutes: a database with 10^7 marks, in the order of life
    python -m bench.retention measure    # three minutes, most of which are rest

It prints the seconds that the database worked, the longest statement, and the calls a second beside it, as a part of
what they are before and after.
"""

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, TypeVar

import asyncpg

from bench.database import SETTINGS
from bench.plan import BUILD
from readstate.client import ReadState
from readstate.config import DatabaseSettings, ServerSettings, load
from readstate.dev import embedded
from readstate.errors import ReadStateError
from readstate.identity.tokens import sign
from readstate.model import Retention
from readstate.server import app
from readstate.store import pool
from readstate.store.migrate import migrate
from readstate.store.pool import Connection, Database
from readstate.store.read_cursor.sql import SETTLE
from readstate.store.retention.pages import DELETE_PAGES
from readstate.store.retention.store import RetentionStore
from readstate.telemetry.logs import configure_logging

MEMBERS: Final = 10_000
MARKS_EACH: Final = 1_000
OLD_EVENTS: Final = 20_000
YOUNG_EVENTS: Final = 50_000
CALLERS: Final = 64
BASE_SECONDS: Final = 6.0
PRUNE_SECONDS: Final = 200.0
"""After which it breaks off, and says what has gone by then."""

FOLDER: Final = BUILD / "retention"
T = TypeVar("T")

LOAD: Final = """
INSERT INTO organization (org_id) VALUES ('bench');
INSERT INTO event_stream (org_key, last_seq, last_event_id) VALUES (1, {events}, {events});
INSERT INTO system_event (org_key, seq, event_id, type, title, payload, occurred_at, recorded_at)
SELECT 1, n, n, 'bucket.created', 'Bucket number ' || n || ' was created', jsonb_build_object('bucket_id', n), t, t
  FROM (SELECT n, now() - CASE WHEN n <= {old} THEN interval '1 year' ELSE interval '1 day' END AS t
          FROM generate_series(1, {events}) n) e;
INSERT INTO member (user_id, org_key) SELECT 'user' || n, 1 FROM generate_series(1, {members}) n;
INSERT INTO read_mark (member_key, org_key, seq)
SELECT m, 1, seq FROM (
    SELECT m, 1 + (i * {step} + hashint8(m * 7919 + i) % {step} + {step}) % {old} AS seq
      FROM generate_series(1, {members}) m, generate_series(0, {each} - 1) i) r
 ORDER BY seq, hashint8(m * 7919 + seq)
ON CONFLICT DO NOTHING;
INSERT INTO read_cursor (org_key, member_key, version, read_count, pruned_seq, all_read)
SELECT 1, member_key, 1, count(*), 0, '{{}}' FROM read_mark GROUP BY member_key;
VACUUM ANALYZE;
CHECKPOINT
""".format(
    old=OLD_EVENTS, events=OLD_EVENTS + YOUNG_EVENTS, members=MEMBERS, each=MARKS_EACH, step=OLD_EVENTS // MARKS_EACH
)


@dataclass
class Work:
    """What the database did for the prune."""

    seconds: float = 0.0
    marks: int = 0
    longest: float = 0.0
    longest_statement: str = ""
    began: float = field(default_factory=time.monotonic)


async def fill(url: str) -> None:
    """Make the data."""
    await migrate(url)
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET statement_timeout = 0; SET work_mem = '512MB'")
        for statement in LOAD.split(";\n"):
            began = time.monotonic()
            await connection.execute(statement)
            print(f"{time.monotonic() - began:6.1f} s  {statement.strip().splitlines()[0]}")
    finally:
        await connection.close()


@contextmanager
def timed(work: Work) -> Iterator[None]:
    """Notes what each statement takes in this process."""
    rows, run = Connection.rows, Database.run

    async def noted(self: Connection, statement: str, *args: object) -> list[Any]:
        began = time.monotonic()
        try:
            found = await rows(self, statement, *args)
            if statement in (SETTLE, DELETE_PAGES):
                work.marks += sum(row["rows"] for row in found)
            return found
        finally:
            if (seconds := time.monotonic() - began) > work.longest:
                work.longest, work.longest_statement = seconds, statement.strip()[:60]

    async def summed(self: Database, act: Callable[[Connection], Awaitable[T]], *, repeatable: bool) -> T:
        began = time.monotonic()
        try:
            return await run(self, act, repeatable=repeatable)
        finally:
            work.seconds += time.monotonic() - began

    Connection.rows, Database.run = noted, summed  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        Connection.rows, Database.run = rows, run  # type: ignore[method-assign]


async def call_forever(settings: ServerSettings, port: int) -> None:
    """Print how many calls were answered in each second."""
    calls = 0

    async def caller(number: int) -> None:
        nonlocal calls
        chance = random.Random(number)
        token = sign(settings, user=f"user{number}")
        async with ReadState(f"127.0.0.1:{port}", token=token) as client:
            while True:
                try:
                    await client.mark_read([chance.randint(OLD_EVENTS + 1, OLD_EVENTS + YOUNG_EVENTS)])
                    calls += 1
                except ReadStateError as error:
                    print(f"a call failed: {error!r}", file=sys.stderr)
                    await asyncio.sleep(0.1)

    async def report() -> None:
        nonlocal calls
        while True:
            await asyncio.sleep(0.5)
            print(calls, flush=True)
            calls = 0

    await asyncio.gather(report(), *(caller(number) for number in range(1, CALLERS + 1)))


@asynccontextmanager
async def process(*arguments: str) -> AsyncIterator[asyncio.StreamReader]:
    """This module with other arguments, as a process of its own."""
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.retention", *arguments), stdout=asyncio.subprocess.PIPE
    )
    assert started.stdout is not None
    try:
        yield started.stdout
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


def settings_on(url: str) -> ServerSettings:
    """Of the server and its callers."""
    return load(
        ServerSettings,
        database_url=url,
        token_issuer="bench",
        token_audience="bench",
        token_secret="a secret of the benchmark, and of nothing else",
        listen="127.0.0.1:0",
        admin_listen="127.0.0.1:0",
        log_level="error",
        drain_delay=0,
    )


async def serve(url: str) -> None:
    """A server, which prints its port."""
    configure_logging("error", "json")
    async with app.running_server(settings_on(url)) as server:
        print(server.port, flush=True)
        await asyncio.Event().wait()


async def measure_copy(url: str) -> None:
    """Measure on a copy, so that it can be done again."""
    connection = await asyncpg.connect(url.replace("/postgres?", "/template1?"))
    try:
        await connection.execute("DROP DATABASE IF EXISTS pruned")
        await connection.execute("CREATE DATABASE pruned TEMPLATE postgres STRATEGY file_copy")
        await measure(url.replace("/postgres?", "/pruned?"))
    finally:
        await connection.close()


async def measure(url: str) -> None:
    """Print the figures."""
    rates: list[tuple[float, int]] = []

    async def collect(lines: asyncio.StreamReader) -> None:
        async for line in lines:
            rates.append((time.monotonic(), int(line)))

    def rate(since: float, until: float) -> float:
        counted = [calls for at, calls in rates if since + 0.5 < at <= until]
        return sum(counted) / len(counted) / 0.5

    async with process("serve", url) as served:
        port = (await served.readline()).decode().strip()
        async with process("call", url, port) as lines:
            collecting = asyncio.create_task(collect(lines))
            await asyncio.sleep(3)  # caches fill
            began = time.monotonic()
            await asyncio.sleep(BASE_SECONDS)
            work = Work()
            async with pool.connect(load(DatabaseSettings, database_url=url)) as database:
                kept = Retention(timedelta(days=180), None, unread_notifications=False)
                with timed(work), suppress(TimeoutError):
                    async with asyncio.timeout(PRUNE_SECONDS):
                        await RetentionStore(database).prune(kept, in_bulk=True)
            ended = time.monotonic()
            await asyncio.sleep(BASE_SECONDS)
            before, beside, after = (
                rate(*span) for span in ((began, work.began), (work.began, ended), (ended, time.monotonic()))
            )
            collecting.cancel()
    print(f"{work.marks:,} marks in {ended - work.began:.1f} s, of which {work.seconds:.1f} s were work, the rest rest")
    print(f"work for 10^7 marks: {1e7 * work.seconds / max(work.marks, 1):.1f} s")
    print(f"longest statement {1000 * work.longest:.0f} ms")
    print(f"  {work.longest_statement!r}")
    print(f"calls/s before, beside, after: {before:,.0f}, {beside:,.0f}, {after:,.0f}")
    print(f"beside ÷ without: {2 * beside / (before + after):.2f}")


def main(command: str, *arguments: str) -> None:
    """`load` or `measure`; the others are for the processes that these start."""
    match command:
        case "serve":
            asyncio.run(serve(*arguments))
        case "call":
            asyncio.run(call_forever(settings_on(arguments[0]), int(arguments[1])))
        case "load" | "measure":
            FOLDER.mkdir(parents=True, exist_ok=True)
            with embedded.postgres(embedded.data_folder(FOLDER), settings=SETTINGS | {"autovacuum": "on"}) as url:
                asyncio.run(fill(url) if command == "load" else measure_copy(url))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["help"]))
