"""Eight callers of one organisation who ask for little, and what is left to them while others do their worst."""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from tests.chaos import tally
from tests.chaos.history import Ending
from tests.chaos.load import ClientOf
from tests.chaos.server import Server
from tests.chaos.trial import Trial

CALLERS: Final = 8
ORGANIZATION: Final = "globex"
"""Theirs. The worst is done by others."""
SETTLING_SECONDS: Final = 1.0
"""After which an attack is under way, and the calls of the round before are answered."""


@dataclass
class Figures:
    """Of one or more measurements."""

    calls: int = 0
    seconds: float = 0
    took: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Calls a second that succeeded."""
        return self.calls / self.seconds

    @property
    def p50_ms(self) -> float:
        return 1000 * statistics.median(self.took) if self.took else float("inf")


class Calm:
    """Each has one call in flight, and makes the next one at once. Their calls are part of the trial's history."""

    def __init__(self, trial: Trial, client_of: ClientOf) -> None:
        (org,) = [org for org in trial.world.organizations if org.org_id == ORGANIZATION]
        self._clients = {user: client_of(user) for user in org.readers[:CALLERS]}
        self._events = org.events
        self._history = trial.history
        self._next = 0

    async def measure(self, seconds: float, figures: Figures) -> None:
        """Call for so long, and add what is found to the figures."""
        begun, first = time.monotonic(), len(self._history.marks)
        await asyncio.gather(*(self._call(user, begun + seconds) for user in self._clients))
        figures.seconds += time.monotonic() - begun
        for call in self._history.marks[first:]:
            if call.user_id not in self._clients or call.told is None:
                continue
            if call.ending is Ending.ACKNOWLEDGED:
                figures.calls += 1
                figures.took.append(call.told - call.begun)
            else:
                figures.failures[call.failure] += 1

    async def _call(self, user: str, ends_at: float) -> None:
        while time.monotonic() < ends_at:
            self._next = (self._next + 1) % len(self._events)
            await self._history.mark(self._clients[user], user, [self._events[self._next]], read=True)


@asynccontextmanager
async def readiness_watched(server: Server) -> AsyncIterator[list[bool]]:
    """What `/readyz` has said, asked five times a second."""
    answers: list[bool] = []

    async def watch() -> None:
        while True:
            answers.append(await server.ready())
            await asyncio.sleep(0.2)

    watching = asyncio.create_task(watch())
    try:
        yield answers
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def stays_calm(
    trial: Trial,
    server: Server,
    attack: Callable[[], AbstractAsyncContextManager[object]],
    *,
    share: float | None,
) -> None:
    """Measure the calm callers without and with the attack, in turn, and hold it against the row if they suffer.

    `share` of their calls a second is what they have to keep; None where the attacker takes a core of the same machine,
    and only failures count.
    """
    calm = Calm(trial, await trial.single_attempts(server.port))
    quiet, attacked = Figures(), Figures()
    rounds, seconds = trial.choose(short=(1, 2.0), full=(5, 4.0))
    await calm.measure(SETTLING_SECONDS, Figures())
    async with readiness_watched(server) as ready:
        for _ in range(rounds):
            await calm.measure(seconds, quiet)
            async with attack():
                await asyncio.sleep(SETTLING_SECONDS)
                await calm.measure(seconds, attacked)
    kept = attacked.rate / quiet.rate if quiet.calls else 0
    trial.report.note(
        f"calm callers: {quiet.rate:,.0f} calls/s (p50 {quiet.p50_ms:.0f} ms) alone,"
        f" {attacked.rate:,.0f} ({attacked.p50_ms:.0f} ms) beside it: {kept:.1%}"
    )
    trial.report.expect(not quiet.failures, f"calm calls failed without an attack: {tally.listed(quiet.failures)}")
    trial.report.expect(not attacked.failures, f"calm calls failed: {tally.listed(attacked.failures)}")
    trial.report.expect(all(ready), f"{ready.count(False)} of {len(ready)} probes found it not ready")
    if share is not None:
        trial.report.expect(kept >= share, f"calm callers kept {kept:.1%} of their calls/s, not {share:.0%}")
