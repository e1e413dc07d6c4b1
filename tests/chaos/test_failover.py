"""A standby that has every commit takes the primary's place: as planned, and because the primary dies or freezes."""

import asyncio
import signal
import time
from collections.abc import Iterator

import pytest

from tests.chaos import tally
from tests.chaos.report import row
from tests.chaos.trial import Trial
from tests.faults.pair import Pair, pair

LONGEST_GAP = 3.0
"""Seconds without an acknowledged mark."""
NOTICED_AFTER = 1.0
"""Seconds that pass before the standby is promoted: what a fail-over manager takes to be sure."""

EXPECTED = "nothing lost; at most 3 s without an acknowledged mark, of which 1 s passes before the promotion"


@pytest.fixture
def databases() -> Iterator[Pair]:
    with pair() as made:
        yield made


async def failed_over(trial: Trial, databases: Pair, how: signal.Signals) -> None:
    """Take the primary away under load, and promote its standby a second later. A frozen primary comes back."""
    await databases.synchronize()
    server = await trial.serve(databases.url)
    await trial.make_world(server.port)
    async with trial.load(await trial.single_attempts(server.port)):
        await asyncio.sleep(trial.choose(short=1, full=15))
        databases.primary.signal(how)
        await asyncio.sleep(NOTICED_AFTER)
        await databases.promote()
        promoted = time.monotonic()
        await asyncio.sleep(trial.choose(short=4, full=15))
        if how is signal.SIGSTOP:
            databases.thaw()
            await asyncio.sleep(trial.choose(short=1, full=5))
    back = tally.back_after(trial.history, promoted)
    trial.report.note(f"back {back:.1f} s after the promotion")
    judge_gap(trial)
    await trial.judge(databases.standby.url)


def judge_gap(trial: Trial) -> None:
    gap = tally.gap(trial.history)
    trial.report.note(f"{gap:.1f} s without an acknowledged mark")
    trial.report.expect(gap <= LONGEST_GAP, f"no mark was acknowledged for {gap:.1f} s")


@row(injected="the primary is killed, and its synchronous standby promoted", expected=EXPECTED)
async def test_primary_killed(trial: Trial, databases: Pair) -> None:
    await failed_over(trial, databases, signal.SIGKILL)


@row(
    injected="the primary, first in the URL, is frozen (SIGSTOP), its synchronous standby promoted, and the old primary"
    " thawed while the load goes on",
    expected=EXPECTED,
)
async def test_primary_frozen(trial: Trial, databases: Pair) -> None:
    await failed_over(trial, databases, signal.SIGSTOP)


@row(
    injected="ten planned switchovers: the primary is shut down, its synchronous standby promoted,"
    " and the old primary follows the new one",
    expected="nothing lost; at most 3 s without an acknowledged mark",
)
async def test_primary_switched_over(trial: Trial, databases: Pair) -> None:
    await databases.synchronize()
    server = await trial.serve(databases.url)
    await trial.make_world(server.port)
    switches = trial.choose(short=2, full=10)
    async with trial.load(await trial.single_attempts(server.port)):
        for _ in range(switches):
            await asyncio.sleep(2)
            await databases.switch_over()
        await asyncio.sleep(2)
    trial.report.note(f"{switches} switchovers")
    judge_gap(trial)
    await trial.judge(databases.primary.url)
