"""What rows said, remembered while the database is certainly the one that said it."""

import time
from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import Final, Generic, TypeVar

from cachetools import TTLCache

from readstate.identity.shared_lookup import SharedLookup

CACHED: Final = 100_000

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class RowCache(Generic[K, V]):
    """What names a row → what the row says.

    A fail-over can lose rows. The new primary then gives their keys to other rows. So nothing is kept when `generation`
    changes, which says that a connection may lead to another server.
    """

    def __init__(
        self,
        look_up: Callable[[K], Awaitable[V]],
        *,
        seconds: float,
        generation: Callable[[], int],
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """`look_up` asks the database. Its answer is kept for `seconds`, whose passing `timer` tells."""
        self._look_up = SharedLookup(look_up)
        self._generation = generation
        self._kept_under = generation()
        self._writes = 0
        self.hits = 0
        self.misses = 0
        self._kept: TTLCache[K, V] = TTLCache(CACHED, seconds, timer)

    def cached(self, name: K) -> V | None:
        """What the row says, if no look-up is needed; else None."""
        if (generation := self._generation()) != self._kept_under:
            self._kept.clear()
            self._look_up.forget()
            self._kept_under = generation
        try:
            found = self._kept[name]  # `get` would look twice, for three times the cost
        except KeyError:
            return None
        self.hits += 1
        return found

    async def find(self, name: K) -> V:
        """What the row says, looked up where it is not remembered: once for all who ask at the same time.

        Raises what `look_up` raises.
        """
        if (found := self.cached(name)) is not None:
            return found
        self.misses += 1
        began = self._kept_under, self._writes
        found = await self._look_up(name)
        # A look-up that began before a write may have read what the write changed, and one that began before another
        # server took over what is lost.
        if began == (self._generation(), self._writes):
            self._kept[name] = found
        return found

    def forget(self, names: Iterable[K]) -> None:
        """Their rows have been written, or may have been."""
        self._writes += 1
        self._look_up.forget()
        for name in names:
            self._kept.pop(name, None)
