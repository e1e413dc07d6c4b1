"""Who waits to be written: organisations in turn, and in each its members in turn."""

import asyncio
import heapq
import time
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Container, Hashable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from readstate.store.group_commit.lane import Lane


@dataclass(eq=False, slots=True)
class Write:
    """One call that waits to be written, or is being written."""

    lane: "Lane[Any, Any]"
    item: Any
    """What the lane's statements take."""
    who: Hashable
    """Whose rows it writes. Belongs to one organisation."""
    org_key: int
    size: int
    """In ids, or whatever else a batch is bounded in."""
    alone: bool
    """Whether it goes by itself."""
    ends_at: float
    """When its caller leaves, on the clock of `time.monotonic`."""
    result: "asyncio.Future[Any]"
    queued_at: float = field(default_factory=time.monotonic)


class Turns:
    """A queue for each organisation. Nobody who is in `busy` leaves; whoever has left it is to be `woken`."""

    def __init__(self, busy: Container[Hashable]) -> None:
        self._busy = busy
        self._calls: dict[Hashable, deque[Write]] = {}
        # In the order of their turns. Who has become busy since is taken out by `_next_of`.
        self._ready: OrderedDict[int, OrderedDict[Hashable, deque[Write]]] = OrderedDict()
        self._sizes: defaultdict[int, int] = defaultdict(int)
        self._counts: defaultdict[int, int] = defaultdict(int)
        self._count = 0
        self.since = 0.0
        """Where somebody may leave: when they could have left first."""

    def __len__(self) -> int:
        """Calls that wait."""
        return self._count

    def __bool__(self) -> bool:
        """Whether somebody may leave."""
        return bool(self._ready)

    @property
    def organizations(self) -> Iterable[int]:
        """Those of whom somebody may leave, in the order of their turns."""
        return self._ready

    def size_of(self, org_key: int) -> int:
        """What waits of this organisation."""
        return self._sizes.get(org_key, 0)

    def next_largest(self) -> int:
        """Calls that wait of the organisation with most of them but one."""
        return heapq.nlargest(2, self._counts.values())[1] if len(self._counts) > 1 else 0

    def add(self, write: Write) -> None:
        self._count += 1
        self._sizes[write.org_key] += write.size
        self._counts[write.org_key] += 1
        if calls := self._calls.get(write.who):
            calls.append(write)
            return
        self._calls[write.who] = deque((write,))
        if write.who not in self._busy:
            self._let_leave(write.who)

    def wake(self, whos: Iterable[Hashable]) -> None:
        """Let those who are not busy any more leave, where they wait."""
        if self._count:
            for who in whos:
                self._let_leave(who)

    def _let_leave(self, who: Hashable) -> None:
        if calls := self._calls.get(who):
            if not self._ready:
                self.since = time.monotonic()
            org_key = calls[0].org_key
            if (members := self._ready.get(org_key)) is None:
                members = self._ready[org_key] = OrderedDict()
            members[who] = calls

    def remove(self, write: Write) -> None:
        """Forget a call that is given up, if it is here."""
        calls = self._calls.get(write.who)
        if calls and write in calls:
            calls.remove(write)
            self._left(write, calls)

    def remove_all(self, org_key: int) -> list[Write]:
        """Take all calls of an organisation, whoever is busy."""
        found = [write for calls in self._calls.values() for write in calls if write.org_key == org_key]
        for write in found:
            self.remove(write)
        return found

    def take(self, size: int, most_of_one: int) -> list[Write]:
        """Take a batch of up to `size`, but at least one call. Of one organisation take at most so many calls."""
        if self._count <= most_of_one and sum(self._sizes.values()) <= size:
            return self._take_all()
        batch: list[Write] = []
        taken: Counter[int] = Counter()
        full: set[int] = set()
        while (write := self._whose_turn(full)) is not None and (not batch or write.size <= size):
            self._pop(write)
            self._end_turn(write.org_key)
            batch.append(write)
            size -= write.size
            taken[write.org_key] += 1
            if taken[write.org_key] >= most_of_one:
                full.add(write.org_key)
        self.since = time.monotonic()
        return batch

    def _take_all(self) -> list[Write]:
        """Take a batch where nobody's turn matters: all who may leave have room in it."""
        free = (calls for members in self._ready.values() for who, calls in members.items() if who not in self._busy)
        batch = [write for calls in free for write in calls]
        self._ready.clear()
        for write in batch:
            self._calls.pop(write.who, None)
            self._uncount(write)
        self.since = time.monotonic()
        return batch

    def take_of_one(self, size: int, passing: Container[int]) -> list[Write]:
        """Take a batch as `take` does, but of one organisation, which is not in `passing`, and of one lane. A call that
        goes alone is all of it."""
        batch: list[Write] = []
        write = self._whose_turn(passing)
        while write is not None and (not batch or (write.size <= size and _go_together(batch[0], write))):
            self._pop(write)
            batch.append(write)
            size -= write.size
            write = self._next_of(write.org_key)
        if batch:
            self._end_turn(batch[0].org_key)
        self.since = time.monotonic()
        return batch

    def _whose_turn(self, passing: Container[int]) -> Write | None:
        while (org_key := self._next_organization(passing)) is not None:
            if (write := self._next_of(org_key)) is not None:
                return write
        return None

    def _next_organization(self, passing: Container[int]) -> int | None:
        for org_key in self._ready:
            if org_key not in passing:
                return org_key
        return None

    def _next_of(self, org_key: int) -> Write | None:
        while members := self._ready.get(org_key):
            who, calls = next(iter(members.items()))
            if who not in self._busy:
                return calls[0]
            self._hide(org_key, who)
        return None

    def _pop(self, write: Write) -> None:
        """Take out a member's first call, and let the organisation's other members go before their next."""
        calls = self._calls[write.who]
        calls.popleft()
        self._left(write, calls)
        if calls:
            self._ready[write.org_key].move_to_end(write.who)

    def _end_turn(self, org_key: int) -> None:
        if org_key in self._ready:
            self._ready.move_to_end(org_key)

    def _left(self, write: Write, calls: deque[Write]) -> None:
        self._uncount(write)
        if not calls:
            del self._calls[write.who]
            self._hide(write.org_key, write.who)

    def _uncount(self, write: Write) -> None:
        self._count -= 1
        self._sizes[write.org_key] -= write.size
        self._counts[write.org_key] -= 1
        if not self._counts[write.org_key]:
            del self._sizes[write.org_key], self._counts[write.org_key]

    def _hide(self, org_key: int, who: Hashable) -> None:
        if members := self._ready.get(org_key):
            members.pop(who, None)
            if not members:
                del self._ready[org_key]


def _go_together(one: Write, other: Write) -> bool:
    return one.lane is other.lane and one.org_key == other.org_key and not (one.alone or other.alone)
