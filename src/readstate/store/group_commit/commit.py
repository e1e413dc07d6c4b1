"""What leaves when, and what becomes of it."""

import asyncio
import time
from collections.abc import Hashable, Sequence
from contextvars import Context
from functools import partial
from typing import Any, Final, TypeAlias

from readstate import deadline
from readstate.errors import DatabaseUnavailable, Overloaded
from readstate.store.by_organization import Batch as BatchOf
from readstate.store.failures import CAUSED_BY_ROWS, cause_of
from readstate.store.group_commit.apart import Apart
from readstate.store.group_commit.batch import Batch, halved
from readstate.store.group_commit.fallbacks import Fallbacks
from readstate.store.group_commit.lane import Alone, Lane, R, T, Together
from readstate.store.group_commit.pace import PACES
from readstate.store.group_commit.turns import Write
from readstate.telemetry.metrics import LaneMetrics

LONGEST_QUEUE: Final = 1_000_000
"""Ids that one organisation may have waiting: 500 batches, or 100 calls of 10,000."""

Source: TypeAlias = "Lane[Any, Any] | Apart"


class GroupCommit:
    """Shares the connections of a pool among lanes and what goes apart; one connection is left for everything else."""

    def __init__(self, connections: int, batch: BatchOf = "mixed") -> None:
        """`batch`: what one may hold."""
        self._pace = PACES[batch]
        self._loop = asyncio.get_running_loop()
        self._most = max(1, connections - 1)
        # Who is being written, and in which batch.
        self._busy: dict[Hashable, Batch] = {}
        self._lanes: list[Lane[Any, Any]] = []
        self._apart = Apart(self._busy, max(1, connections // 2))
        self._fallbacks = Fallbacks()
        self._writers: set[asyncio.Task[None]] = set()
        self._starting = False
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = 0.0

    def lane(self, alone: Alone[T, R], together: Together[T, R], metrics: LaneMetrics) -> Lane[T, R]:
        """A kind of writes."""
        lane = Lane(self, self._busy, max(1, self._most - 1), alone, together, metrics, self._pace())
        self._lanes.append(lane)
        return lane

    def add(self, write: Write) -> None:
        """Let a call wait for its turn. Raises Overloaded."""
        queue = write.lane.turns
        waiting = queue.size_of(write.org_key) + self._apart.turns.size_of(write.org_key)
        if waiting and waiting + write.size > LONGEST_QUEUE:
            raise Overloaded
        if write.alone or self._apart.holds(write.org_key):
            queue = self._apart.turns
        queue.add(write)
        # Not at once: those who arrive in the same turn of the loop leave together.
        if not self._starting:
            self._starting = True
            self._loop.call_soon(self._start_batches)

    def give_up(self, write: Write) -> None:
        """Forget a call whose caller has left, unless it is being written."""
        write.lane.turns.remove(write)
        self._apart.turns.remove(write)

    async def drain(self) -> None:
        """Wait for the batches in flight. For the end of a server, when no handler runs any more."""
        if self._writers:
            await asyncio.wait(self._writers, timeout=deadline.DRAIN_SECONDS)

    def _start_batches(self) -> None:
        self._starting = False
        while len(self._writers) < self._most and self._start_one():
            pass
        self._set_timer()

    def _start_one(self) -> bool:
        """Whoever has the fewest batches in flight goes first, so that a slow kind leaves room for the others."""
        sources: list[Source] = [*self._lanes, self._apart]
        for source in sorted(sources, key=lambda source: source.in_flight):
            if (batch := source.next_batch()) is not None:
                self._start(batch, source)
                return True
        return False

    def _start(self, batch: Batch, source: Source) -> None:
        source.started(batch)
        self._own(batch)
        # In a context of its own: a batch inherits no call's deadline.
        writing = self._write(batch, batch.calls, apart=source is self._apart)
        task = self._loop.create_task(writing, context=Context())
        self._writers.add(task)
        task.add_done_callback(partial(self._ended, batch, source))

    def _own(self, batch: Batch) -> None:
        for write in batch.calls:
            self._busy[write.who] = batch

    def _ended(self, batch: Batch, source: Source, task: "asyncio.Task[None]") -> None:
        self._writers.discard(task)
        source.ended(batch)
        done: list[Hashable] = []
        for write in batch.calls:
            # Unless a part of the batch has them now.
            if self._busy.get(write.who) is batch:
                del self._busy[write.who]
                done.append(write.who)
        for turns in (*(lane.turns for lane in self._lanes), self._apart.turns):
            turns.wake(done)
        self._start_batches()

    def _set_timer(self) -> None:
        """Wake up when a batch may leave that waits for company or for a further writer."""
        times = [at for lane in self._lanes if (at := lane.leaves_at()) is not None]
        if not times or len(self._writers) >= self._most:
            return
        at = min(times)
        if self._timer is not None:
            if self._wakes_at <= at:
                return
            self._timer.cancel()
        self._wakes_at = at
        self._timer = self._loop.call_later(max(0.0, at - time.monotonic()), self._wake_up)

    def _wake_up(self) -> None:
        self._timer = None
        self._start_batches()

    async def _write(self, batch: Batch, calls: Sequence[Write], *, apart: bool) -> None:
        """Write calls of a batch that is in flight, and tell those who still wait."""
        calls = [write for write in calls if not write.result.done()]
        if not calls:
            return
        try:
            results = await batch.lane.write(calls, apart=apart)
        except CAUSED_BY_ROWS as error:
            self._fallbacks.count(batch.lane, cause_of(error), calls)
            await self._split(batch, calls, error)
        except asyncio.CancelledError:
            self._fallbacks.count(batch.lane, "cancelled", calls)
            self._write_again(batch, calls)
        except Exception as error:
            self._fallbacks.count(batch.lane, cause_of(error), calls)
            _tell(calls, error)
        else:
            self._answer(batch, calls, results)

    def _answer(self, batch: Batch, calls: Sequence[Write], results: Sequence[Any]) -> None:
        left = [write for write, result in zip(calls, results, strict=True) if result is None]
        for write, result in zip(calls, results, strict=True):
            if result is not None and not write.result.done():
                write.result.set_result(result)
        if left:
            self._fallbacks.count(batch.lane, "busy", left)
        for write in left:
            write.alone = True
            self._apart.turns.add(write)

    async def _split(self, batch: Batch, calls: Sequence[Write], error: Exception) -> None:
        """The rows of these calls, or of some of them, cannot be written now: find out whose."""
        organizations = {write.org_key for write in calls}
        if len(organizations) == 1:
            self._keep_apart(*organizations)
        if len(calls) == 1:
            _tell(calls, error)
            return
        halves = halved(calls)
        if len({write.who for write in calls}) == 1:
            for half in halves:
                await self._write(batch, half, apart=True)
            return
        for half in halves:
            self._pass_on(Batch(batch.lane, half))

    def _write_again(self, batch: Batch, calls: Sequence[Write]) -> None:
        """After a library has cancelled the writer. What it asked may be committed; all that is asked here may be
        repeated."""
        if batch.again:
            _tell(calls, DatabaseUnavailable())
        else:
            self._pass_on(Batch(batch.lane, calls, again=True))

    def _pass_on(self, part: Batch) -> None:
        self._own(part)
        self._apart.add_part(part)

    def _keep_apart(self, org_key: int) -> None:
        self._apart.hold(org_key)
        for lane in self._lanes:
            for write in lane.turns.remove_all(org_key):
                self._apart.turns.add(write)


def _tell(calls: Sequence[Write], error: Exception) -> None:
    for write in calls:
        if not write.result.done():
            write.result.set_exception(error)
