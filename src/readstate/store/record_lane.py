"""Group commit of records: calls that arrive while a record of their organisation is in flight leave together.

An organisation records one transaction at a time, because its stream is locked until that is committed. So what one
commit carries decides how much an organisation can record.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from typing import Final, TypeAlias

from readstate import deadline
from readstate.errors import DatabaseUnavailable, OutOfTime, Overloaded, ReadStateError
from readstate.model import KeyedRequest, NewSystemEvent
from readstate.store.organizations import Organization

MOST_EVENTS: Final = 2_000
"""Events that one batch holds; a call with more goes alone."""
WRITERS: Final = 4
"""Organisations that record at once, so that marks and lists get a connection too."""
MOST_CALLS: Final = 10_000
"""Calls that may wait or be in flight, of all organisations."""


@dataclass(frozen=True, slots=True)
class Keyed:
    """The idempotency key of a call, and how its reply is made."""

    request: KeyedRequest
    reply: Callable[[list[int]], bytes]


@dataclass(eq=False, slots=True)
class Record:
    """One call."""

    events: Sequence[NewSystemEvent]
    keyed: Keyed | None = None
    own_reply: bytes | None = None
    """What an attempt of this call may have kept under its key. Another attempt may find it."""

    @property
    def repeatable(self) -> bool:
        """Whether a second time changes nothing: the key says that it is the same, or the events' ids do."""
        return self.keyed is not None or all(event.event_id is not None for event in self.events)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a call."""

    event_ids: list[int]
    """Empty where an earlier call with the same key has recorded."""
    reply: bytes = b""
    """What is kept under the key of a call that has one."""
    replayed: bool = False


Outcome: TypeAlias = Recorded | ReadStateError


class RolledBack(Exception):
    """Nothing of a batch has been committed, for certain."""

    def __init__(self, cause: ReadStateError) -> None:
        super().__init__()
        self.cause = cause


class RecordLane:
    """The waiting records of all organisations.

    The promise:
    - A call waits for no other organisation, unless more than `WRITERS` record at once.
    - Calls of one organisation are recorded in the order in which they came. Each is told its own ids or its own error.
    - When a batch has been rolled back for certain, each of its calls goes once more, alone, under its own deadline.
      Where it may have been committed, only the calls that are safe to repeat do. But where the database was too slow
      for the batch, its calls are told so: one by one they would be slower still.
    - A call that is abandoned leaves the queue; in flight, it may still be committed.
    - Calls are bounded; beyond the bound one is refused with Overloaded, before anything is written.
    """

    def __init__(self, write: Callable[[Organization, Sequence[Record]], Awaitable[Sequence[Outcome]]]) -> None:
        """`write` records a batch of one organisation. It raises RolledBack, or what else went wrong."""
        self._write = write
        self._queues: dict[Organization, deque[_Waiting]] = {}
        self._writers: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Semaphore(WRITERS)
        self._calls = 0

    async def submit(self, organization: Organization, record: Record) -> Outcome | None:
        """Record, in company where there is some. None says that the call has to go alone."""
        if self._calls >= MOST_CALLS:
            raise Overloaded
        waiting = _Waiting(record, asyncio.get_running_loop().create_future(), deadline.ends_at())
        if organization in self._queues:
            self._queues[organization].append(waiting)
        else:
            self._queues[organization] = deque([waiting])
            self._start_writer(organization)
        self._calls += 1
        try:
            return await waiting.outcome
        finally:
            self._calls -= 1

    async def drain(self) -> None:
        """Wait for the batches in flight. For the end of a server, when no handler runs any more."""
        if self._writers:
            await asyncio.wait(self._writers, timeout=deadline.DRAIN_SECONDS)

    def _start_writer(self, organization: Organization) -> None:
        # In a context of its own: a batch inherits no call's deadline and no call's transaction.
        task = asyncio.get_running_loop().create_task(self._write_until_empty(organization), context=Context())
        self._writers.add(task)
        task.add_done_callback(lambda task: self._writer_ended(task, organization))

    def _writer_ended(self, task: asyncio.Task[None], organization: Organization) -> None:
        self._writers.discard(task)
        # A writer that a library cancelled leaves calls behind.
        if self._queues[organization]:
            self._start_writer(organization)
        else:
            del self._queues[organization]

    async def _write_until_empty(self, organization: Organization) -> None:
        queue = self._queues[organization]
        while queue:
            async with self._turn:
                await self._write_batch(organization, _next_batch(queue))

    async def _write_batch(self, organization: Organization, batch: Sequence["_Waiting"]) -> None:
        if not batch:
            return
        outcomes: Sequence[Outcome | None] = [
            None if waiting.record.repeatable else DatabaseUnavailable() for waiting in batch
        ]
        with suppress(Exception):
            try:
                with deadline.within(max(waiting.ends_at for waiting in batch) - time.monotonic()):
                    outcomes = await self._write(organization, [waiting.record for waiting in batch])
            except RolledBack as error:
                outcomes = [error.cause if isinstance(error.cause, OutOfTime) else None] * len(batch)
            finally:
                # Whatever a batch dies of, cancellation included, its calls are told.
                for waiting, outcome in zip(batch, outcomes, strict=True):
                    if not waiting.outcome.done():
                        waiting.outcome.set_result(outcome)


@dataclass(eq=False, slots=True)
class _Waiting:
    record: Record
    outcome: "asyncio.Future[Outcome | None]"
    ends_at: float
    """When its caller leaves, on the clock of `time.monotonic`."""


def _next_batch(queue: deque[_Waiting]) -> list[_Waiting]:
    batch: list[_Waiting] = []
    events = 0
    while queue and events + len(queue[0].record.events) <= MOST_EVENTS:
        waiting = queue.popleft()
        if not waiting.outcome.done():  # abandoned
            events += len(waiting.record.events)
            batch.append(waiting)
    return batch
