"""When a lane's batches leave, and how much of one an organisation may be."""

import time
from typing import Final

from readstate import deadline

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

    def __init__(self) -> None:
        self.in_flight = 0
        """Batches."""
        self._statement_seconds = 0.0
        self._ended_at = 0.0
        self._organizations: set[int] = set()
        self._shared_until = 0.0
        self._next_largest = 0.0

    def leaves_at(self, since: float) -> float:
        """When the next batch may leave, if somebody waits since `since`."""
        at = since
        if self._statement_seconds >= deadline.SLOW_SECONDS:
            # Whoever has just been answered calls again, and saves the next statement.
            at = max(at, self._ended_at) + min(self._statement_seconds / 10, deadline.GATHER_SECONDS)
        if self.in_flight:
            # Two at once make twice as many statements of the same calls. They cost 12 to 17 % more CPU a call.
            at = max(at, since + deadline.PATIENCE_SECONDS * 2 ** (self.in_flight - 1))
        return at

    def most_of_one(self, size: int, next_largest: int) -> int:
        """How many calls of one organisation the next batch may hold. `size` is what it holds in all, `next_largest`
        how many calls wait of the organisation that has most of them but one."""
        self._next_largest = max(next_largest, self._next_largest * FADING)
        if time.monotonic() > self._shared_until:
            return size
        return max(FEWEST, round(self._statement_seconds / SECONDS_EACH), round(self._next_largest))

    def saw(self, organizations: set[int]) -> None:
        """A batch leaves with calls of these."""
        if len(organizations | self._organizations) > 1:
            self._shared_until = time.monotonic() + SHARED_SECONDS
        self._organizations = organizations

    def measured(self, seconds: float) -> None:
        """A statement has ended."""
        self._ended_at = time.monotonic()
        self._statement_seconds = seconds
