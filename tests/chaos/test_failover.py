"""The primary dies or freezes, and its standby, which has every commit, takes its place."""

import asyncio
import signal
import time
from collections.abc import Iterator

import pytest

from tests.chaos import tally
from tests.chaos.report import row
from tests.chaos.trial import Trial
from tests.faults.pair import Pair, connected, pair
from tests.waiting import until_answered

# Set once the standby exists: in its copy it would wait for a standby of its own.
SYNCHRONOUS = "ALTER SYSTEM SET synchronous_standby_names = '*'"
IS_SYNCHRONOUS = "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'"

EXPECTED = "nothing lost; a mark succeeds within 3 s of the promotion"


@pytest.fixture
def databases() -> Iterator[Pair]:
    with pair() as made:
        yield made


async def failed_over(trial: Trial, databases: Pair, how: signal.Signals) -> None:
    """Take the primary away under load, and promote its standby a second later."""
    async with connected(databases.primary.url) as primary:
        await primary.execute(SYNCHRONOUS)
        await primary.execute("SELECT pg_reload_conf()")
        await until_answered(lambda: primary.fetchval(IS_SYNCHRONOUS))
    server = await trial.serve(databases.url)
    await trial.make_world(server.port)
    async with trial.load(await trial.single_attempts(server.port)):
        await asyncio.sleep(trial.choose(short=1, full=15))
        databases.primary.signal(how)
        await asyncio.sleep(1)
        await databases.promote()
        promoted = time.monotonic()
        await asyncio.sleep(trial.choose(short=4, full=15))
    back = tally.back_after(trial.history, promoted)
    trial.report.note(f"back {back:.1f} s after the promotion")
    trial.report.expect(back <= 3, f"a mark succeeded only {back:.1f} s after the promotion")
    await trial.judge(databases.standby.url)


@row(injected="the primary is killed, and its synchronous standby promoted", expected=EXPECTED)
async def test_primary_killed(trial: Trial, databases: Pair) -> None:
    await failed_over(trial, databases, signal.SIGKILL)


@row(
    injected="the primary, first in the URL, is frozen (SIGSTOP), and its synchronous standby promoted",
    expected=EXPECTED,
)
async def test_primary_frozen(trial: Trial, databases: Pair) -> None:
    await failed_over(trial, databases, signal.SIGSTOP)
