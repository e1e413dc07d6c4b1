"""What batches of one organisation cost, on plain PostgreSQL and on Citus: 200 organisations, 256 calls in flight.

    python -m bench.organizations load URL       # makes the data in an empty database
    READSTATE_BATCH=organization python -m bench.organizations measure URL    # one round, a quarter of a minute

Where the database has the extension citus, its tables are spread. Each call marks one event. Prints calls a second and
CPU a call: of the server, and of the machine besides.
"""

import asyncio
import itertools
import os
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final

import asyncpg
import psutil

from bench import load_grpc
from bench.plan import BUILD
from bench.retention import process, settings_on
from readstate.identity.tokens import sign
from readstate.store.citus import distribute
from readstate.store.migrate import migrate
from readstate.v1.system_events_pb2 import MarkReadRequest

ORGANIZATIONS: Final = 200
MEMBERS: Final = 256
EVENTS: Final = 4_000
"""Of each organisation."""
MESSAGES: Final = 100_000

WARM_UP: Final = 4.0
SECONDS: Final = 10.0

LOAD: Final = (
    "INSERT INTO organization (org_id) VALUES ($1) RETURNING org_key",
    "INSERT INTO event_stream (org_key, last_seq, last_event_id) VALUES ($1::int, $2::int, $2::int)",
    """INSERT INTO system_event (org_key, seq, event_id, type, title, occurred_at)
       SELECT s.org_key, n, n, 'bucket.created', 'Bucket number ' || n || ' was created', now()
         FROM event_stream s CROSS JOIN generate_series(1, $2::int) n WHERE s.org_key = $1::int""",
)


async def load(url: str) -> None:
    """Make the schema and the data."""
    await migrate(url)
    connection = await asyncpg.connect(url)
    try:
        if await connection.fetchval("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')"):
            await distribute(url)
        make, stream, events = LOAD
        for number in range(ORGANIZATIONS):
            org_key = await connection.fetchval(make, f"org{number}")
            await connection.execute(stream, org_key, EVENTS)
            await connection.execute(events, org_key, EVENTS)
            for member in range(number, MEMBERS, ORGANIZATIONS):
                await connection.execute("INSERT INTO member (user_id, org_key) VALUES ($1, $2)", f"u{member}", org_key)
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


async def measure(url: str) -> None:
    """Call, and print a line."""
    tokens = [sign(settings_on(url), user=f"u{member}") for member in range(MEMBERS)]
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(process("serve", url))
        port = int((await served.readline()).decode())
        (server,) = [p for p in psutil.Process().children() if "bench.retention" in p.cmdline()]
        await asyncio.to_thread(_call, port, tokens, range(1, EVENTS // 4), WARM_UP)
        before, machine = sum(server.cpu_times()[:2]), _busy()
        began = time.monotonic()
        made = await asyncio.to_thread(_call, port, tokens, range(EVENTS // 4, EVENTS + 1), SECONDS)
        seconds = time.monotonic() - began
        own = sum(server.cpu_times()[:2]) - before
        rest = _busy() - machine - own
    print(
        f"{os.environ.get('READSTATE_BATCH', 'mixed')}: {made / seconds:,.0f} calls/s,"
        f" CPU a call: server {1e6 * own / made:.0f} µs, all else {1e6 * rest / made:.0f} µs",
        flush=True,
    )


def _call(port: int, tokens: Sequence[str], events: range, seconds: float) -> int:
    """Call with one event after the other, again and again: a member meets few of them twice."""
    path = BUILD / "organizations.bin"
    load_grpc.write(
        path, (MarkReadRequest(event_ids=[event]) for event in itertools.islice(itertools.cycle(events), MESSAGES))
    )
    done = load_grpc.call(port, "MarkRead", path, tokens, level=MEMBERS, seconds=seconds)
    if done.failures:
        raise SystemExit(f"calls failed: {done.failures}")
    return done.calls


def _busy() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait)


if __name__ == "__main__":
    BUILD.mkdir(exist_ok=True)
    asyncio.run({"load": load, "measure": measure}[sys.argv[1]](sys.argv[2]))
