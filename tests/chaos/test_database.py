"""PostgreSQL dies, stalls, drops its connections and refuses to write."""

import asyncio
import signal
import time

import asyncpg

from tests.chaos import tally
from tests.chaos.report import row
from tests.chaos.trial import Trial
from tests.faults.conftest import Postgres

TERMINATE_ONE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1
"""


@row(
    injected="PostgreSQL and all its backends are killed 50 times, and started again",
    expected="nothing lost; a mark succeeds within 5 s of each start",
)
async def test_postgres_killed(trial: Trial, breakable_postgres: Postgres, breakable_url: str) -> None:
    server = await trial.serve(breakable_url)
    await trial.make_world(server.port)
    kills, started = trial.choose(short=2, full=50), []
    async with trial.load(await trial.single_attempts(server.port)):
        for _ in range(kills):
            await asyncio.sleep(0.7)
            breakable_postgres.signal(signal.SIGKILL)
            await asyncio.to_thread(breakable_postgres.stop)
            await asyncio.to_thread(breakable_postgres.start)
            started.append(time.monotonic())
            await asyncio.sleep(0.5)
        await asyncio.sleep(2)
    longest = max(tally.back_after(trial.history, moment) for moment in started)
    trial.report.note(f"{kills} kills; back within {longest:.1f} s")
    trial.report.expect(longest <= 5, f"a mark succeeded only {longest:.1f} s after a start")
    await trial.judge(breakable_url)


@row(
    injected="a connection is terminated ten times a second, for 30 s",
    expected="nothing lost; 99 % of the calls succeed at their first attempt",
)
async def test_backends_terminated(trial: Trial, breakable_url: str) -> None:
    server = await trial.serve(breakable_url)
    await trial.make_world(server.port)
    ending = await asyncpg.connect(breakable_url)
    rounds = trial.choose(short=20, full=300)
    async with trial.load(await trial.single_attempts(server.port)):
        for _ in range(rounds):
            await ending.fetch(TERMINATE_ONE)
            await asyncio.sleep(0.1)
    await ending.close()
    share, failures = tally.share_acknowledged(trial.history), tally.failures(trial.history.calls)
    trial.report.note(f"{rounds} terminated; {share:.2%} succeed")
    trial.report.expect(share >= 0.99, f"only {share:.2%} succeeded: {tally.listed(failures)}")
    await trial.judge(breakable_url)


async def stalled(trial: Trial, postgres: Postgres, url: str, seconds: float) -> None:
    """Stop the database's processes for so long, under load."""
    server = await trial.serve(url)
    await trial.make_world(server.port)
    async with trial.load(await trial.single_attempts(server.port)):
        await asyncio.sleep(0.5)
        postgres.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            postgres.signal(signal.SIGCONT)
        again = time.monotonic()
        await asyncio.sleep(2)
    back = tally.back_after(trial.history, again)
    trial.report.note(f"stopped for {seconds:.0f} s; back after {back:.1f} s")
    trial.report.note(f"slowest call {tally.longest(trial.history):.1f} s")
    trial.report.expect(back <= 5, f"a mark succeeded only after {back:.1f} s")
    await trial.judge(url)


@row(
    injected="PostgreSQL's processes are stopped (SIGSTOP) for 10 s",
    expected="nothing lost; every call ends within its deadline; a mark succeeds within 5 s",
)
async def test_database_stalled_for_10_s(trial: Trial, breakable_postgres: Postgres, breakable_url: str) -> None:
    await stalled(trial, breakable_postgres, breakable_url, trial.choose(short=2, full=10))


@row(
    injected="PostgreSQL's processes are stopped (SIGSTOP) for 25 s",
    expected="nothing lost; every call ends within its deadline; a mark succeeds within 5 s",
)
async def test_database_stalled_for_25_s(trial: Trial, breakable_postgres: Postgres, breakable_url: str) -> None:
    await stalled(trial, breakable_postgres, breakable_url, trial.choose(short=6, full=25))


READ_ONLY = "ALTER DATABASE {} SET default_transaction_read_only = on"
WRITABLE = "ALTER DATABASE {} RESET default_transaction_read_only"
TERMINATE_ALL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@row(
    injected="the database takes no writes for 15 s, then takes them again without ending a connection",
    expected="nothing lost; callers are told UNAVAILABLE; a mark succeeds within 5 s",
)
async def test_database_read_only(trial: Trial, breakable_url: str) -> None:
    server = await trial.serve(breakable_url)
    await trial.make_world(server.port)
    admin = await asyncpg.connect(breakable_url)
    name = await admin.fetchval("SELECT current_database()")
    seconds = trial.choose(short=1.5, full=15)
    async with trial.load(await trial.single_attempts(server.port)):
        await asyncio.sleep(0.5)
        await admin.execute(READ_ONLY.format(name))
        await admin.fetch(TERMINATE_ALL)
        await asyncio.sleep(seconds)
        await admin.execute("SET default_transaction_read_only = off")
        await admin.execute(WRITABLE.format(name))
        again = time.monotonic()
        await asyncio.sleep(1.5)
    await admin.close()
    back, failures = tally.back_after(trial.history, again), tally.failures(trial.history.calls)
    trial.report.note(f"read-only for {seconds} s; back after {back:.1f} s; told {tally.listed(failures)}")
    trial.report.expect(set(failures) == {"DatabaseUnavailable"}, f"callers were told {tally.listed(failures)}")
    trial.report.expect(back <= 5, f"a mark succeeded only after {back:.1f} s")
    await trial.judge(breakable_url)
