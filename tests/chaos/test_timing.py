"""Can somebody tell another organisation's events from events that do not exist, by the time an answer takes?"""

import statistics
import time
from typing import Any, Final

import pytest

from readstate.v1.system_events_pb2 import MarkReadRequest
from tests.chaos.report import row
from tests.chaos.trial import Trial
from tests.chaos.world import MISSING

pytestmark = pytest.mark.alone

MARK: Final = "/readstate.v1.SystemEventService/MarkRead"
KINDS: Final = ("foreign", "missing", "missing again")
"""The last shows what the noise is: it is the same as the one before."""
IDS: Final = 50
"""In one call."""
BLOCKS: Final = 20
"""What the difference is in each of them tells how far chance alone takes it."""


def requests(trial: Trial) -> dict[str, list[bytes]]:
    """Calls of the first organisation's member on ids that match nothing there."""
    foreign = trial.world.organizations[1].events
    found = {"foreign": foreign, "missing": MISSING[:500], "missing again": MISSING[500:]}
    return {kind: [_request(ids[n : n + IDS]) for n in range(0, 500 - IDS + 1, IDS)] for kind, ids in found.items()}


def _request(ids: range) -> bytes:
    return MarkReadRequest(event_ids=ids).SerializeToString()


@row(
    injected="calls on ids of another organisation, and on ids that do not exist, in turn",
    expected="the medians differ by no more than three standard errors, or 3 %",
)
async def test_foreign_against_missing_ids(trial: Trial, database_url: str) -> None:
    server = await trial.serve(database_url)
    await trial.make_world(server.port)
    call: Any = (await trial.channel(server.port)).unary_unary(MARK)
    bearer = (("authorization", f"Bearer {trial.token('acme-reader-0')}"),)
    took: dict[str, list[float]] = {kind: [] for kind in KINDS}
    calls, rounds = requests(trial), trial.choose(short=400, full=5000)
    for number in range(-20, rounds):
        # Each kind comes first, second and third as often as the others.
        for place in range(len(KINDS)):
            kind = KINDS[(number + place) % len(KINDS)]
            begun = time.perf_counter()
            await call(calls[kind][number % len(calls[kind])], metadata=bearer, timeout=10)
            if number >= 0:
                took[kind].append(time.perf_counter() - begun)
    leak, chance = compared(took["foreign"], took["missing"])
    noise, _ = compared(took["missing again"], took["missing"])
    trial.report.note(f"{rounds:,} calls each, median {1000 * statistics.median(took['missing']):.1f} ms")
    trial.report.note(f"foreign {leak:+.1%} ± {chance:.1%}; missing against missing {noise:+.1%}")
    trial.report.expect(abs(leak) <= max(0.03, chance), f"foreign ids take {leak:+.1%}, chance explains {chance:.1%}")


def compared(one: list[float], other: list[float]) -> tuple[float, float]:
    """How much longer the median of `one` is, as a share, and three standard errors of that."""
    size = len(one) // BLOCKS
    blocks = [slice(first, first + size) for first in range(0, BLOCKS * size, size)]
    shares = [statistics.median(one[block]) / statistics.median(other[block]) - 1 for block in blocks]
    return statistics.mean(shares), 3 * statistics.stdev(shares) / BLOCKS**0.5
