"""Group commit: calls that arrive while a write is in flight leave together in the next one.

One durable commit then serves many calls, as in a database's own log.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, field
from typing import Final

from readstate import deadline
from readstate.errors import Overloaded
from readstate.model import MarkResult, OrgMember
from readstate.telemetry.metrics import LaneMetrics

MOST_IDS: Final = 2_000
"""Ids that one batch holds; a call with more goes alone."""
WRITERS: Final = 2
"""Batches in flight at once: one that waits for a stuck row does not hold up the others. One, two and three measured
alike under `make bench`."""
LONGEST_QUEUE: Final = 10_000
"""Calls that may wait."""


@dataclass(eq=False, slots=True)
class Write:
    """One call's part of a batch. `event_ids` are distinct."""

    member: OrgMember
    event_ids: Sequence[int]
    result: "asyncio.Future[MarkResult | None]"
    """None says that the batch failed, or could not serve this call: it has to go alone."""
    queued_at: float = field(default_factory=time.perf_counter)


Alone = Callable[[OrgMember, Sequence[int]], Awaitable[MarkResult]]
Together = Callable[[Sequence[Write]], Awaitable[Sequence[MarkResult | None]]]
"""None stands for a call that this batch could not serve, and that has to go alone."""


class GroupCommit:
    """One lane of writes: marks or unmarks, never both in one statement.

    The promise:
    - A call waits for no other on an idle server; otherwise for at most `WRITERS` batches in flight.
    - A call that begins after another's reply sees its effect. Nothing more is promised about order.
    - Counts are each call's own. The first call of a batch that names a mark counts it as changed, every call counts
      its matches.
    - A call that is abandoned leaves the queue; in flight, it may still be committed.
    - When a batch fails, each of its calls runs once more, alone, under its own deadline: one row that is stuck does
      not fail the others.
    - The queue is bounded; beyond its bound a call is refused with Overloaded, before anything is written.
    """

    def __init__(self, alone: Alone, together: Together, metrics: LaneMetrics) -> None:
        self._alone = alone
        self._together = together
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Write] = deque()
        self._writers: set[asyncio.Task[None]] = set()
        metrics.queue.set_function(lambda: len(self._queue))

    async def submit(self, member: OrgMember, event_ids: Sequence[int]) -> MarkResult:
        """Write, in company where there is some. Raises Overloaded, and what the statement alone raises."""
        if len(event_ids) > MOST_IDS:
            return await self._alone(member, event_ids)
        if len(self._queue) >= LONGEST_QUEUE:
            raise Overloaded
        write = Write(member, event_ids, self._loop.create_future())
        self._queue.append(write)
        if len(self._writers) < WRITERS:
            self._start_writer()
        try:
            result = await write.result
        except asyncio.CancelledError:
            with suppress(ValueError):
                self._queue.remove(write)
            raise
        if result is None:
            self._metrics.fallbacks.inc()
            return await self._alone(member, event_ids)
        return result

    def _start_writer(self) -> None:
        # In a context of its own: a batch inherits no call's deadline.
        task = self._loop.create_task(self._write_until_empty(), context=Context())
        self._writers.add(task)
        task.add_done_callback(self._writer_ended)

    def _writer_ended(self, task: asyncio.Task[None]) -> None:
        self._writers.discard(task)
        # A writer that a library cancelled leaves calls behind.
        if self._queue:
            self._start_writer()

    async def drain(self) -> None:
        """Wait for the batches in flight. For the end of a server, when no handler runs any more."""
        if self._writers:
            await asyncio.wait(self._writers, timeout=deadline.BATCH_SECONDS)

    async def _write_until_empty(self) -> None:
        while self._queue:
            batch = self._next_batch()
            self._metrics.batch_size.observe(len(batch))
            self._metrics.wait.observe(time.perf_counter() - batch[0].queued_at)
            await self._write(batch)

    def _next_batch(self) -> list[Write]:
        batch = [self._queue.popleft()]
        ids = len(batch[0].event_ids)
        while self._queue and ids + len(self._queue[0].event_ids) <= MOST_IDS:
            ids += len(self._queue[0].event_ids)
            batch.append(self._queue.popleft())
        return batch

    async def _write(self, batch: Sequence[Write]) -> None:
        results: Sequence[MarkResult | None] = [None] * len(batch)
        # Whatever a batch dies of, cancellation included, its calls are told, and go alone.
        with suppress(Exception):
            try:
                with deadline.within(deadline.BATCH_SECONDS):
                    results = await self._together(batch)
            finally:
                for write, result in zip(batch, results, strict=True):
                    if not write.result.done():
                        write.result.set_result(result)
