"""Two real servers, killed now and then; members who act; watchers who come and go at random."""

import asyncio
import random
import signal
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from itertools import pairwise

import asyncpg
import grpc

from readstate.client import ReadState
from readstate.errors import ReadStateError
from readstate.identity import tokens
from readstate.v1 import unread_pb2 as pb
from tests.conftest import settings_on
from tests.serving import Serving, serving
from tests.unread.watcher import Watcher

USERS = [f"user{number}" for number in range(8)]
SECONDS = 12
SETTLED_SECONDS = 0.5
"""After the last change, and the time that a slow machine takes for anything."""
SLACK_SECONDS = 1.5


def versions(state: pb.WatchUnreadResponse) -> tuple[int, int, int]:
    return state.head, state.version, state.notifications.version


@dataclass
class Crowd:
    """Watchers, each of one user. A stream that is left is judged at once."""

    seed: random.Random
    ports: list[int]
    streams: int = 0
    went_back: list[list[tuple[int, int, int]]] = field(default_factory=list)

    async def watch(self, user: str, until: float, last: dict[int, pb.WatchUnreadResponse], key: int) -> None:
        """Connect again and again until then, and keep the last stream open until it is cancelled."""
        authorization = f"Bearer {tokens.sign(settings_on(''), user=user, scope='messaging:read')}"
        while True:
            port = self.seed.choice(self.ports)
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                watcher = Watcher(channel, authorization)
                self.streams += 1
                try:
                    over = time.monotonic() > until
                    with suppress(TimeoutError, AssertionError):
                        await watcher.end(within=3600 if over else self.seed.uniform(0, 1.5))
                finally:
                    watcher.leave()
                    if watcher.states:
                        last[key] = watcher.states[-1]
                    told = [versions(state) for state in watcher.states]
                    if any(a > b for before, after in pairwise(told) for a, b in zip(before, after, strict=True)):
                        self.went_back.append(told)
            await asyncio.sleep(0.02)


async def act(seed: random.Random, ports: Sequence[int], until: float) -> None:
    """Mark, unmark, record and notify through any server. Calls that a killed server had are lost, or not."""
    scope = "system_events:write messaging:write messaging:update"
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                ReadState(f"127.0.0.1:{port}", token=tokens.sign(settings_on(""), user=user, scope=scope), timeout=1)
            )
            for user in USERS
            for port in ports
        ]
        while time.monotonic() < until:
            client = seed.choice(clients)
            with suppress(ReadStateError):
                match seed.randrange(6):
                    case 0:
                        await client.record_system_events("acme", [{"type": "t"}])
                    case 1:
                        await client.create_notifications("acme", seed.sample(USERS, 2), category="c", title="t")
                    case 2:
                        await client.mark_all_notifications_read()
                    case 3:
                        await client.mark_all_read(seed.randrange(60))
                    case 4:
                        await client.mark_unread(seed.sample(range(1, 60), 5))
                    case _:
                        await client.mark_read(seed.sample(range(1, 60), 5))
            await asyncio.sleep(seed.uniform(0, 0.02))


async def test_no_watcher_goes_back_and_all_end_with_what_the_database_has(database_url: str) -> None:
    seed = random.Random(12)
    async with AsyncExitStack() as stack:
        servers: list[Serving] = []
        for _ in range(2):
            servers.append(await stack.enter_async_context(serving(database_url, READSTATE_DRAIN_GRACE="1")))
        ports = [server.port for server in servers]
        producer = servers[0].client("producer", scope="system_events:write directory:write")
        await producer.upsert_members(dict.fromkeys(USERS, "acme"))
        await producer.record_system_events("acme", [{"type": "t"}] * 60)
        await producer.close()

        until = time.monotonic() + SECONDS
        crowd = Crowd(seed, ports)
        last: dict[int, pb.WatchUnreadResponse] = {}
        watching = [asyncio.create_task(crowd.watch(USERS[key % len(USERS)], until, last, key)) for key in range(24)]
        acting = [asyncio.create_task(act(seed, ports, until)) for _ in range(3)]
        for how in signal.SIGKILL, signal.SIGTERM:
            await asyncio.sleep(SECONDS / 3)
            killed = servers.pop(0)
            await killed.stop(how)
            servers.append(await stack.enter_async_context(serving(database_url, port=killed.port)))
        await asyncio.gather(*acting)
        await asyncio.sleep(SETTLED_SECONDS + SLACK_SECONDS)
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)

    assert crowd.went_back == []
    assert crowd.streams > 200
    truth = await _truth(database_url)
    assert {key: (state.unread_count, *versions(state)) for key, state in last.items()} == {
        key: truth[USERS[key % len(USERS)]] for key in range(24)
    }


async def _truth(database_url: str) -> dict[str, tuple[int, int, int, int]]:
    """Counted, not taken from the cursors: unread, head, and the two versions of each user."""
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch(
        """
        SELECT m.user_id, s.last_seq AS head, coalesce(c.version, 0) AS version,
               coalesce(n.version, 0) AS notifications,
               (SELECT count(*) FROM system_event e
                 WHERE e.org_key = m.org_key AND NOT coalesce(c.all_read @> e.seq, false)
                   AND NOT EXISTS (SELECT FROM read_mark r WHERE r.member_key = m.member_key
                                      AND r.org_key = m.org_key AND r.seq = e.seq))::int AS unread
          FROM member m JOIN event_stream s USING (org_key)
          LEFT JOIN read_cursor c USING (org_key, member_key)
          LEFT JOIN notification_cursor n USING (org_key, member_key)
        """
    )
    await connection.close()
    return {row["user_id"]: (row["unread"], row["head"], row["version"], row["notifications"]) for row in rows}
