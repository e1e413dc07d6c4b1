"""One kind of writes: marks or unmarks, never both in one statement."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Container, Hashable, Sequence
from contextlib import nullcontext
from typing import Final, Generic, Protocol, TypeVar

from readstate import deadline
from readstate.store.group_commit.batch import Batch
from readstate.store.group_commit.pace import Pace
from readstate.store.group_commit.turns import Turns, Write
from readstate.store.pool import impatient
from readstate.telemetry.metrics import LaneMetrics

MOST_IDS: Final = 2_000
"""Ids that one batch holds; a call with more goes alone."""

T = TypeVar("T")
R = TypeVar("R")

Alone = Callable[[T], Awaitable[R]]
Together = Callable[[Sequence[T]], Awaitable[Sequence[R | None]]]
"""None stands for a call that this statement could not serve, and that has to go alone."""


class Queue(Protocol):
    """Who decides which calls leave when."""

    def add(self, write: Write) -> None:
        """Let a call wait for its turn. Raises Overloaded."""

    def give_up(self, write: Write) -> None:
        """Forget a call whose caller has left, unless it is being written."""


class Lane(Generic[T, R]):
    """Takes calls, and runs the statements that write them."""

    def __init__(
        self,
        queue: Queue,
        busy: Container[Hashable],
        most: int,
        alone: Alone[T, R],
        together: Together[T, R],
        metrics: LaneMetrics,
        pace: Pace,
    ) -> None:
        """`queue` is where its calls wait, `busy` who is being written, `most` how many of its batches may be in
        flight, `pace` when they leave and what they hold."""
        self.turns = Turns(busy)
        self.metrics = metrics
        self._queue = queue
        self._most = most
        self._alone = alone
        self._together = together
        self._pace = pace
        self._loop = asyncio.get_running_loop()
        metrics.queue.set_function(lambda: len(self.turns))

    async def submit(self, item: T, *, who: Hashable, org_key: int, size: int) -> R:
        """Write, in company where there is some. Raises Overloaded, and what the statement raises."""
        result: asyncio.Future[R] = self._loop.create_future()
        write = Write(self, item, who, org_key, size, size > MOST_IDS, deadline.ends_at(), result)
        self._queue.add(write)
        try:
            return await result
        except asyncio.CancelledError:
            self._queue.give_up(write)
            raise

    @property
    def in_flight(self) -> int:
        """Batches that left together. Those that went apart are not counted."""
        return self._pace.in_flight

    def leaves_at(self) -> float | None:
        """When the next batch may leave, on the clock of `time.monotonic`; None where none may or nobody waits."""
        if self._pace.in_flight >= self._most or not self._pace.lets_leave(self.turns):
            return None
        return self._pace.leaves_at(self.turns.since)

    def next_batch(self) -> Batch | None:
        """Those who leave now."""
        at = self.leaves_at()
        if at is None or at > time.monotonic():
            return None
        calls = self._pace.take(self.turns, MOST_IDS)
        return Batch(self, calls) if calls else None

    def started(self, batch: Batch) -> None:
        self._pace.started(batch.organizations)

    def ended(self, batch: Batch) -> None:
        self._pace.ended(batch.organizations)

    async def write(self, calls: Sequence[Write], *, apart: bool) -> Sequence[R | None]:
        """Run a statement, within the time of whoever has most of it left. Raises what the statement raises."""
        started = time.monotonic()
        self.metrics.batch_size.observe(len(calls))
        self.metrics.wait.observe(started - min(write.queued_at for write in calls))
        with deadline.within(max(write.ends_at for write in calls) - started):
            if calls[0].alone:
                return [await self._alone(calls[0].item)]
            # One that is split and waits for a lock would keep all of its calls waiting.
            with impatient() if apart and len(calls) > 1 else nullcontext():
                results = await self._together([write.item for write in calls])
        if not apart:
            self._pace.measured(time.monotonic() - started)
        return results
