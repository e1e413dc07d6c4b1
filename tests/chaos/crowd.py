"""Watchers who come and go at random, and what is wrong with what they were told."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, NamedTuple, TypeAlias

import asyncpg
import grpc

from readstate.v1 import unread_pb2 as pb
from tests.unread.watcher import Watcher
from tests.waiting import until

LONGEST_STAY: Final = 0.5
PATIENCE: Final = 120
"""Seconds that some hundred streams may take."""
SETTLING: Final = 2.5
"""Seconds after the last change. Then the watchers are looked at."""


class Told(NamedTuple):
    """What a message says, or what the database has."""

    unread: int
    head: int
    version: int
    unseen_notifications: int
    unread_notifications: int
    notifications_version: int

    @classmethod
    def by(cls, state: pb.WatchUnreadResponse) -> "Told":
        found = state.notifications
        return cls(state.unread_count, state.head, state.version, found.unseen, found.unread, found.version)

    @property
    def versions(self) -> tuple[int, int, int]:
        return self.head, self.version, self.notifications_version


Stream: TypeAlias = Sequence[tuple[float, Told]]
"""The messages of one stream, each with the time at which it came."""

# Counted event by event and notification by notification. Only the versions are taken from the cursors.
TRUTH: Final = """
SELECT m.user_id,
       (SELECT count(*) FROM system_event e
         WHERE e.org_key = m.org_key AND NOT coalesce(c.all_read @> e.seq, false)
           AND NOT EXISTS (SELECT FROM read_mark r WHERE r.member_key = m.member_key
                              AND r.org_key = m.org_key AND r.seq = e.seq))::int AS unread,
       s.last_seq AS head, coalesce(c.version, 0) AS version,
       (SELECT count(*) FROM notification i WHERE i.member_key = m.member_key AND i.org_key = m.org_key
           AND i.dismissed_at IS NULL AND i.seen_at IS NULL)::int AS unseen_notifications,
       (SELECT count(*) FROM notification i WHERE i.member_key = m.member_key AND i.org_key = m.org_key
           AND i.dismissed_at IS NULL AND i.read_at IS NULL)::int AS unread_notifications,
       coalesce(n.version, 0) AS notifications_version
  FROM member m JOIN event_stream s USING (org_key)
  LEFT JOIN read_cursor c USING (org_key, member_key)
  LEFT JOIN notification_cursor n USING (org_key, member_key)
"""


async def truth(database_url: str) -> dict[str, Told]:
    """What the database has of each user."""
    connection = await asyncpg.connect(database_url)
    try:
        return {user_id: Told(*values) for user_id, *values in await connection.fetch(TRUTH)}
    finally:
        await connection.close()


def steps_back(stream: Stream) -> list[str]:
    """Each message that is older than the one before it."""
    return [
        f"{before} was followed by {after}"
        for (_, before), (_, after) in pairwise(stream)
        if any(a < b for a, b in zip(after.versions, before.versions, strict=True))
    ]


def learnt_at(stream: Stream, right: Told) -> float | None:
    """When the stream began to tell what is right, and nothing else since. None if it ends with something else."""
    since = None
    for at, told in reversed(stream):
        if told != right:
            break
        since = at
    return since


@dataclass
class Seat:
    """One watcher, and the stream that is open."""

    user: str
    channel: grpc.aio.Channel
    authorization: str
    watcher: Watcher | None = None

    @property
    def stream(self) -> Stream:
        if self.watcher is None:
            return []
        return [(at, Told.by(state)) for at, state in zip(self.watcher.times, self.watcher.states, strict=True)]


@dataclass
class Crowd:
    """All seats. Every stream is judged when it ends."""

    seats: Sequence[Seat]
    seed: random.Random
    streams: int = 0
    """That told anything."""
    wrong: list[str] = field(default_factory=list)
    _leaving: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while watchers come and go."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Crowd"]:
        """Watch while inside."""
        tasks = [asyncio.create_task(self._sit(seat)) for seat in self.seats]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def come_and_go(self, streams: int) -> None:
        """Leave and connect again until this many streams more have told something. Then all stay."""
        wanted = self.streams + streams
        self._leaving.set()
        await until(lambda: self.streams >= wanted, within=PATIENCE)
        self._leaving.clear()

    async def latest(self, database_url: str, *, last_change: float) -> float:
        """Look at all streams some time after the last change; returns the seconds after which the last one was right.

        Infinity stands for a stream that is not right, which is noted as wrong.
        """
        await asyncio.sleep(max(0, last_change + SETTLING - time.monotonic()))
        right = await truth(database_url)
        return max(self._late(seat, right, last_change) for seat in self.seats)

    def _late(self, seat: Seat, right: Mapping[str, Told], last_change: float) -> float:
        stream = seat.stream
        since = learnt_at(stream, right[seat.user])
        if since is not None:
            return max(0, since - last_change)
        self.wrong.append(f"{seat.user} was told {stream[-1][1] if stream else 'nothing'}, not {right[seat.user]}")
        return float("inf")

    async def _sit(self, seat: Seat) -> None:
        while True:
            seat.watcher = Watcher(seat.channel, seat.authorization)
            try:
                await self._stay(seat.watcher)
            finally:
                seat.watcher.leave()
                self.streams += bool(seat.watcher.states)
                self.wrong += steps_back(seat.stream)
            if not seat.watcher.states:
                await asyncio.sleep(0.02)  # no server was there

    async def _stay(self, watcher: Watcher) -> None:
        """For a while, or until the stream ends. While all stay, until it ends."""
        ending = asyncio.ensure_future(watcher.end(within=3600))
        leaving: asyncio.Future[Any] = asyncio.ensure_future(self._leave())
        with suppress(AssertionError):
            try:
                await asyncio.wait([ending, leaving], return_when=asyncio.FIRST_COMPLETED)
                if ending.done():
                    await ending
            finally:
                ending.cancel()
                leaving.cancel()

    async def _leave(self) -> None:
        await self._leaving.wait()
        await asyncio.sleep(self.seed.uniform(0, LONGEST_STAY))
        await self._leaving.wait()
