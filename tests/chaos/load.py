"""A load of many members in two organisations, each call of which is recorded.

Readers mark. Togglers mark and unmark the same few events from two places at once. Producers create notifications under
idempotency keys, and repeat calls under the same key. Ids of the other organisation and ids of nobody are mixed in.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, Final, TypeAlias

from tests.chaos.history import Client, History
from tests.chaos.world import MISSING, Organization, World

MOST_CALLS: Final = 5_000
"""Of one caller: what bounds a history."""
PAUSE: Final = 0.05
"""Seconds between a caller's calls on the average. The load is to leave the machine to what it tests."""
SHORT_PAUSE: Final = 0.1
"""The same in the short version, beside which other suites run."""
TOGGLED: Final = 20
"""Events that an organisation's togglers use."""
ATTEMPTS: Final = 5
"""With one idempotency key."""
REPEATED: Final = 0.2
"""Share of keys that are sent once more after an answer."""
ENDING_SECONDS: Final = 10
"""Within which calls in flight end: more than any deadline."""

PRODUCER: Final = "producer"

ClientOf: TypeAlias = Callable[[str], Client]
"""User → client. The one of PRODUCER needs the scope `messaging:write`."""


class Load:
    """Calls of every member of a world."""

    def __init__(
        self, world: World, client_of: ClientOf, history: History, *, seed: int = 1, pause: float = PAUSE
    ) -> None:
        self._world = world
        self._pause = pause
        self._history = history
        self._random = random.Random(seed)
        self._stopping = asyncio.Event()
        self._producer = client_of(PRODUCER)
        self._clients = {user: client_of(user) for user in world.of}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep calling while the block runs. On leaving, calls in flight end first.

        Raises:
            AssertionError: a call lasted longer than any deadline.
        """
        callers = [asyncio.create_task(caller) for caller in self._callers()]
        try:
            yield
        finally:
            self._stopping.set()
            _, late = await asyncio.wait(callers, timeout=ENDING_SECONDS)
            for caller in late:
                caller.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        assert not late, "a call lasted longer than its deadline"
        await asyncio.gather(*callers)

    def _callers(self) -> Iterator[Coroutine[Any, Any, None]]:
        for org in self._world.organizations:
            yield from (self._read(user, org) for user in org.readers)
            yield from (self._toggle(user, org) for user in org.togglers for _ in range(2))
            yield self._create(org)

    async def _read(self, user: str, org: Organization) -> None:
        async for _ in self._turns():
            ids = self._random.sample(org.events, self._random.randint(1, 3))
            await self._history.mark(self._clients[user], user, self._mixed(ids, org), read=True)

    async def _toggle(self, user: str, org: Organization) -> None:
        async for _ in self._turns():
            ids = self._random.sample(org.events[:TOGGLED], self._random.randint(1, 3))
            read = self._random.random() < 0.5
            await self._history.mark(self._clients[user], user, self._mixed(ids, org), read=read)

    async def _create(self, org: Organization) -> None:
        numbers = count()
        async for _ in self._turns():
            key = f"{org.org_id}-{next(numbers)}"
            recipients = [*self._random.sample(org.members, 3), self._foreigner(org), "nobody"]
            for _attempt in range(ATTEMPTS):
                done = await self._history.create(self._producer, PRODUCER, org.org_id, recipients, key)
                if done and self._random.random() > REPEATED:
                    break
                await asyncio.sleep(self._pause)

    async def _turns(self) -> AsyncIterator[None]:
        for _ in range(MOST_CALLS):
            if self._stopping.is_set():
                return
            yield
            await asyncio.sleep(self._random.uniform(0, 2 * self._pause))

    def _mixed(self, ids: list[int], org: Organization) -> list[int]:
        """With ids that name nothing here, half of the time, and one id twice."""
        if self._random.random() < 0.5:
            return ids
        foreign = self._random.choice([other for other in self._world.organizations if other is not org])
        return [*ids, self._random.choice(foreign.events), self._random.choice(MISSING), ids[0]]

    def _foreigner(self, org: Organization) -> str:
        return self._random.choice([user for user, other in self._world.of.items() if other is not org])
