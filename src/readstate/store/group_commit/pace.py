"""When a lane's batches leave, and how much of one an organisation may be."""

import time
from collections import Counter
from typing import Final

from readstate import deadline
from readstate.store.by_organization import Batch
from readstate.store.group_commit.turns import Turns, Write

ORGANIZATION_WRITERS: Final = 32
"""Batches of a lane that leave at once where each holds one organisation. Of many organisations each has hardly more
than one call."""
WRITERS_OF_ONE: Final = 2
"""Those of one organisation."""

SHARED_SECONDS: Final = 1.0
"""So long after another organisation's call a batch counts as shared, also where it holds only one: the other's calls
may be on their way."""

FEWEST: Final = 4
SECONDS_EACH: Final = 0.002
"""Of one organisation a shared batch holds as many calls as wait of the next largest one, or one for every 2 ms that
the last statement took, or four: whichever is most. So organisations that are equally busy fill a batch together. And
one with 1,500 calls in flight does not keep the event loop from the eight of another: a call costs it about 0.15 ms."""

FADING: Final = 0.9
"""What is left, with each batch, of what has been seen of the next largest: its calls may be on their way."""


class Pace:
    """What it has seen of a lane's statements decides. Times are on the clock of `time.monotonic`."""

    writers = 2
    """Batches that leave at once. With one, calls of many ids left a core idle, and a batch that waited for a lock held
    up all others. With three nothing was gained."""

    def __init__(self) -> None:
        self.in_flight = 0
        """Batches."""
        self._statement_seconds = 0.0
        self._ended_at = 0.0
        self._organizations: set[int] = set()
        self._shared_until = 0.0
        self._next_largest = 0.0

    def lets_leave(self, turns: Turns) -> bool:
        """Whether somebody may leave."""
        return bool(turns)

    def take(self, turns: Turns, size: int) -> list[Write]:
        """The next batch, of up to `size`."""
        return turns.take(size, self.most_of_one(size, turns.next_largest()))

    def leaves_at(self, since: float) -> float:
        """When the next batch may leave, if somebody waits since `since`."""
        at = since
        if self._statement_seconds >= deadline.SLOW_SECONDS:
            # Whoever has just been answered calls again, and saves the next statement.
            at = max(at, self._ended_at) + min(self._statement_seconds / 10, deadline.GATHER_SECONDS)
        if (further := self.in_flight - self.writers) >= 0:
            at = max(at, since + deadline.PATIENCE_SECONDS * 2**further)
        return at

    def most_of_one(self, size: int, next_largest: int) -> int:
        """How many calls of one organisation the next batch may hold. `size` is what it holds in all, `next_largest`
        how many calls wait of the organisation that has most of them but one."""
        self._next_largest = max(next_largest, self._next_largest * FADING)
        if time.monotonic() > self._shared_until:
            return size
        return max(FEWEST, round(self._statement_seconds / SECONDS_EACH), round(self._next_largest))

    def started(self, organizations: set[int]) -> None:
        """A batch leaves with calls of these."""
        self.in_flight += 1
        if len(organizations | self._organizations) > 1:
            self._shared_until = time.monotonic() + SHARED_SECONDS
        self._organizations = organizations

    def ended(self, organizations: set[int]) -> None:
        """A batch with calls of these is done."""
        self.in_flight -= 1

    def measured(self, seconds: float) -> None:
        """A statement has ended."""
        self._ended_at = time.monotonic()
        self._statement_seconds = seconds


class OrganizationPace(Pace):
    """Of batches that hold one organisation each."""

    writers = ORGANIZATION_WRITERS

    def __init__(self) -> None:
        super().__init__()
        self._in_flight_of: Counter[int] = Counter()

    def lets_leave(self, turns: Turns) -> bool:
        return any(org_key not in self._full for org_key in turns.organizations)

    def take(self, turns: Turns, size: int) -> list[Write]:
        return turns.take_of_one(size, self._full)

    def started(self, organizations: set[int]) -> None:
        super().started(organizations)
        self._in_flight_of.update(organizations)

    def ended(self, organizations: set[int]) -> None:
        super().ended(organizations)
        self._in_flight_of.subtract(organizations)
        self._in_flight_of += Counter()  # drops those with none left

    @property
    def _full(self) -> set[int]:
        return {org_key for org_key, count in self._in_flight_of.items() if count >= WRITERS_OF_ONE}


PACES: Final[dict[Batch, type[Pace]]] = {"mixed": Pace, "organization": OrganizationPace}
