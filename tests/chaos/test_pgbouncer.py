"""PgBouncer between the server and its database, as many installations have it."""

import asyncio
import signal
import time

from tests.chaos import tally
from tests.chaos.report import row
from tests.chaos.trial import Trial
from tests.faults.pgbouncer import pgbouncer

CONNECTIONS = 4
"""To the database. The pool of a server has eight."""


@row(
    injected="PgBouncer in transaction mode, with 4 connections for the server's 8, is killed and started 10 times",
    expected="nothing lost; a mark succeeds within 5 s of each start; without a kill no call fails",
)
async def test_pgbouncer_killed(trial: Trial, database_url: str) -> None:
    kills, started = trial.choose(short=1, full=10), []
    with pgbouncer(database_url, "transaction", connections=CONNECTIONS) as bouncer:
        server = await trial.serve(bouncer.url, READSTATE_STATEMENT_CACHE_SIZE="0")
        await trial.make_world(server.port)
        async with trial.load(await trial.single_attempts(server.port)):
            await asyncio.sleep(trial.choose(short=1, full=10))
            before = tally.failures(trial.history.calls)
            for _ in range(kills):
                await asyncio.to_thread(bouncer.stop, signal.SIGKILL)
                await asyncio.sleep(0.3)
                await asyncio.to_thread(bouncer.start, "transaction")
                started.append(time.monotonic())
                await asyncio.sleep(1)
    longest = max(tally.back_after(trial.history, moment) for moment in started)
    trial.report.note(f"{kills} kills; back within {longest:.1f} s")
    trial.report.expect(longest <= 5, f"a mark succeeded only {longest:.1f} s after a start")
    trial.report.expect(set(before) <= {""}, f"calls failed before anything was killed: {tally.listed(before)}")
    await trial.judge(database_url)
