"""Actions on one notification at the same time."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import pytest

from readstate.model import Notification, OrgMember, Status
from readstate.store.notifications.store import NotificationStore
from readstate.store.pool import Database
from tests.notifications.rules import ACTIONS, CONTENT, after, assert_times_in_order, members, times

Times: TypeAlias = frozenset[str]

WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


@pytest.mark.parametrize(("first", "second"), [*itertools.product((*ACTIONS, "mark_all_seen"), repeat=2)])
async def test_two_actions_at_once_end_in_a_state_that_some_order_explains(
    database: Database, store: NotificationStore, first: str, second: str
) -> None:
    ada = (await members(database))["ada"]
    for earlier in (None, *ACTIONS):
        (notification_id,) = await store.create([ada], CONTENT)
        if earlier:
            await getattr(store, earlier)(ada, notification_id)
        begun = times(await store.find(ada, notification_id))
        async with _held(database, notification_id) as waiting:
            tasks = [asyncio.create_task(_act(store, ada, action, notification_id)) for action in (first, second)]
            await waiting(sum(_locks(begun, action) for action in (first, second)))
        replies = await asyncio.gather(*tasks)
        found = await store.find(ada, notification_id)
        outcome = (times(found), replies[0] and times(replies[0]), replies[1] and times(replies[1]))
        assert outcome in _explained(begun, first, second)
        assert_times_in_order(found)
        for reply in filter(None, replies):
            assert_times_in_order(reply)
        assert not replies[0] or not replies[1] or found in replies, "one of them was the last"


async def _act(store: NotificationStore, member: OrgMember, action: str, notification_id: str) -> Notification | None:
    if action == "mark_all_seen":
        await store.mark_all_seen(member, notification_id)
        return None
    found: Notification = await getattr(store, action)(member, notification_id)
    return found


def _locks(begun: Times, action: str) -> bool:
    return action != "mark_all_seen" or not begun


def _explained(begun: Times, first: str, second: str) -> list[tuple[Any, Any, Any]]:
    """The final state and what each replies, for either order."""

    def step(state: Times, action: str) -> tuple[Times, Times | None]:
        if action == "mark_all_seen":
            return (state or after(state, "mark_seen")), None
        return (after(state, action),) * 2

    middle, reply_1 = step(begun, first)
    end, reply_2 = step(middle, second)
    other_middle, other_2 = step(begun, second)
    other_end, other_1 = step(other_middle, first)
    return [(end, reply_1, reply_2), (other_end, other_1, other_2)]


@asynccontextmanager
async def _held(database: Database, notification_id: str) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """Hold the notification's lock, and let go of it when so many calls wait for it."""
    async with database._pool.acquire() as connection, connection.transaction():
        await connection.fetch("SELECT FROM notification WHERE id = $1 FOR UPDATE", notification_id)

        async def waiting(calls: int) -> None:
            async with asyncio.timeout(5):
                while (await database.rows(WAITING, repeatable=True))[0][0] < calls:
                    pass

        yield waiting


async def test_a_crowd_on_one_notification_agrees_on_every_time(database: Database, store: NotificationStore) -> None:
    ada = (await members(database))["ada"]
    for _ in range(10):
        (notification_id,) = await store.create([ada], CONTENT)

        replies = await asyncio.gather(
            *(_act(store, ada, action, notification_id) for action in ("mark_seen", "mark_read", "dismiss") * 3)
        )

        found = await store.find(ada, notification_id)
        assert found.status is Status.DISMISSED
        for reply in filter(None, replies):
            assert_times_in_order(reply)
            for name in ("seen_at", "read_at", "dismissed_at"):
                assert getattr(reply, name) in (None, getattr(found, name))


async def test_the_clock_may_go_back(database: Database, store: NotificationStore) -> None:
    ada = (await members(database))["ada"]
    (notification_id,) = await store.create([ada], CONTENT)
    await database.rows(
        "UPDATE notification SET created_at = now() + interval '1 hour', updated_at = now() + interval '1 hour'",
        repeatable=True,
    )
    for action in ACTIONS:
        assert_times_in_order(await getattr(store, action)(ada, notification_id))


async def test_what_changes_nothing_writes_nothing(database: Database, store: NotificationStore) -> None:
    ada = (await members(database))["ada"]
    (notification_id,) = await store.create([ada], CONTENT)
    await store.mark_read(ada, notification_id)

    async def place() -> Any:
        return (await database.rows("SELECT ctid FROM notification", repeatable=True))[0][0]

    written = await place()
    await store.mark_seen(ada, notification_id)
    await store.mark_read(ada, notification_id)
    await store.mark_all_seen(ada, None)
    assert await place() == written
