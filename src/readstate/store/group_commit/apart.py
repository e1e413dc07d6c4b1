"""What goes by itself, so that it holds up nobody else."""

import time
from collections import Counter, deque
from collections.abc import Container, Hashable
from typing import Final

from readstate.store.group_commit.batch import Batch
from readstate.store.group_commit.lane import MOST_IDS
from readstate.store.group_commit.turns import Turns

APART_SECONDS: Final = 30.0
"""How long an organisation stays apart after its rows broke a batch. It loses little by it, and others may lose the
second that a batch waits for a lock."""


class Apart:
    """Calls that go alone, calls of organisations whose rows broke a batch, and parts of batches that were split."""

    def __init__(self, busy: Container[Hashable], most: int) -> None:
        self.turns = Turns(busy)
        self.in_flight = 0
        self._most = most
        self._most_of_one = max(1, most // 2)
        self._in_flight_of: Counter[int] = Counter()
        self._parts: deque[Batch] = deque()
        self._until: dict[int, float] = {}

    def holds(self, org_key: int) -> bool:
        """Whether this organisation stays apart now."""
        return org_key in self._until and self._until[org_key] > time.monotonic()

    def hold(self, org_key: int) -> None:
        """Keep this organisation apart from now on, for a while."""
        now = time.monotonic()
        self._until = {key: until for key, until in self._until.items() if until > now}
        self._until[org_key] = now + APART_SECONDS

    def add_part(self, part: Batch) -> None:
        self._parts.append(part)

    def next_batch(self) -> Batch | None:
        """Those who leave now."""
        if self.in_flight >= self._most:
            return None
        full = {org_key for org_key, count in self._in_flight_of.items() if count >= self._most_of_one}
        for part in self._parts:
            if not part.organizations <= full:
                self._parts.remove(part)
                return part
        calls = self.turns.take_of_one(MOST_IDS, full)
        return Batch(calls[0].lane, calls) if calls else None

    def started(self, batch: Batch) -> None:
        self.in_flight += 1
        self._in_flight_of.update(batch.organizations)

    def ended(self, batch: Batch) -> None:
        self.in_flight -= 1
        self._in_flight_of.subtract(batch.organizations)
        self._in_flight_of += Counter()  # drops those with none left
