"""Members who mark, unmark, mark all, undo, record and notify, through any server."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

from readstate.client import ReadState
from readstate.errors import ReadStateError

ORGANIZATION: Final = "acme"
EVENTS: Final = 60
"""Recorded at the beginning."""


class Actors:
    """Act while inside, and have been told how each call ended on leaving. Calls of a killed server may be lost."""

    def __init__(self, clients: Sequence[ReadState], users: Sequence[str], seed: random.Random) -> None:
        """`clients`: each of one of the users, with every scope."""
        self.changes = 0
        """Calls that were acknowledged."""
        self._clients = clients
        self._users = users
        self._seed = seed
        self._undo: list[tuple[ReadState, str]] = []
        self._ending = False

    @asynccontextmanager
    async def acting(self, at_once: int = 3) -> AsyncIterator[None]:
        self._ending = False
        tasks = [asyncio.create_task(self._act()) for _ in range(at_once)]
        try:
            yield
        finally:
            self._ending = True
            await asyncio.gather(*tasks)

    async def _act(self) -> None:
        while not self._ending:
            with suppress(ReadStateError):
                await self._change(self._seed.choice(self._clients))
                self.changes += 1
            await asyncio.sleep(self._seed.uniform(0, 0.02))

    async def _change(self, client: ReadState) -> None:
        some = self._seed.sample(range(1, EVENTS), 5)
        match self._seed.randrange(7):
            case 0:
                await client.record_system_events(ORGANIZATION, [{"type": "t"}])
            case 1:
                recipients = self._seed.sample(self._users, 2)
                await client.create_notifications(ORGANIZATION, recipients, category="c", title="t")
            case 2:
                await client.mark_all_notifications_read()
            case 3:
                marked = await client.mark_all_read(self._seed.randrange(EVENTS))
                if marked.undo_token is not None:
                    self._undo.append((client, marked.undo_token))
            case 4 if self._undo:
                undone, token = self._undo.pop()
                await undone.undo_mark_all_read(token)
            case 5:
                await client.mark_unread(some)
            case _:
                await client.mark_read(some)
