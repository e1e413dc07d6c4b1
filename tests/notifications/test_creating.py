"""Fan-out on write: many recipients, one statement."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from readstate.client import ReadState
from readstate.config import ServerSettings
from readstate.errors import Internal
from readstate.model import NewMember
from readstate.server.app import RunningServer
from readstate.store.members import MemberStore
from readstate.store.notifications import sql
from readstate.store.notifications import store as notification_store
from readstate.store.notifications.store import NotificationStore, new_ids
from readstate.store.pool import Connection, Database
from tests.notifications.conftest import Caller, CallerFor
from tests.notifications.rules import CONTENT, members, one_waits_for_a_lock

MANY = [f"user-{n}" for n in range(10_000)]


@pytest.mark.alone
async def test_ten_thousand_recipients_are_one_call(producer: ReadState, caller_for: CallerFor) -> None:
    await producer.upsert_members(dict.fromkeys(MANY, "acme"))
    messenger = caller_for("messenger", scope="messaging:write")

    began = time.perf_counter()
    ids = await messenger.notify(*MANY, body="b" * 200, resource={"id": "ord_7", "type": "order"})
    seconds = time.perf_counter() - began

    assert len(set(ids)) == 10_000
    assert seconds < 2
    last = caller_for(MANY[-1])
    assert [n.id for n in (await last.call("ListNotifications")).notifications] == [ids[-1]]


async def test_all_rows_are_one_statement(
    database: Database, store: NotificationStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipients = list((await members(database)).values())
    statements = []
    rows = Connection.rows

    async def noted(self: Connection, statement: str, *args: object) -> Any:
        statements.append(statement)
        return await rows(self, statement, *args)

    monkeypatch.setattr(Connection, "rows", noted)
    await store.create(recipients, CONTENT)

    assert statements == [sql.CREATE_NOTIFICATIONS]


def test_ids_are_of_the_form_that_was_promised_and_all_letters_are_as_likely() -> None:
    ids = new_ids(20_000)

    counts = dict.fromkeys("abcdefghijklmnopqrstuvwxyz0123456789", 0)
    for notification_id in ids:
        assert notification_id.startswith("nf_")
        assert len(notification_id) == 15
        for letter in notification_id[3:]:
            counts[letter] += 1
    assert len(set(ids)) == len(ids)
    # 6,667 each, with a standard deviation of 80.
    assert all(6_000 < count < 7_300 for count in counts.values())


@pytest.fixture
def ids_in_turn(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def set_turns(*turns: list[str]) -> None:
        remaining = iter(turns)
        monkeypatch.setattr(notification_store, "new_ids", lambda _: next(remaining))

    return set_turns


async def test_an_id_that_is_taken_is_drawn_again(
    database: Database, store: NotificationStore, ids_in_turn: Callable[..., None]
) -> None:
    found = await members(database)
    taken, fresh, other = new_ids(3)
    ids_in_turn([taken], [taken, fresh], [fresh, other])

    assert await store.create([found["ada"]], CONTENT) == [taken]
    assert await store.create([found["ada"], found["grace"]], CONTENT) == [fresh, other]


async def test_ids_that_stay_taken_create_nothing(
    database: Database, store: NotificationStore, ids_in_turn: Callable[..., None]
) -> None:
    found = await members(database)
    (taken,) = new_ids(1)
    ids_in_turn([taken], *[[taken]] * 3)
    await store.create([found["ada"]], CONTENT)

    with pytest.raises(Internal):
        await store.create([found["grace"]], CONTENT)

    assert (await store.unread_summary(found["grace"])).unread == 0


async def test_a_creation_in_flight_is_never_placed_before_what_was_shown(
    database: Database, store: NotificationStore
) -> None:
    ada = (await members(database))["ada"]
    (shown,) = await store.create([ada], CONTENT)
    async with database._pool.acquire() as connection, connection.transaction():
        # Begun before the next one, committed after it could have been: the next one waits.
        await connection.fetch(
            sql.CREATE_NOTIFICATIONS,
            *(ada.org_key, [ada.member_key], new_ids(1), "chat.message", "slow", None, "normal", None, None),
        )
        fast = asyncio.create_task(store.create([ada], CONTENT))
        await one_waits_for_a_lock(database)
        # Waits as well: the slow one holds the cursors of its recipients.
        seen = asyncio.create_task(store.mark_all_seen(ada, shown))
        await asyncio.sleep(0.05)
        assert not fast.done()
    (newest,) = await fast
    assert await seen == 1

    assert (await store.unread_summary(ada)).unseen == 2
    assert await store.mark_all_seen(ada, newest) == 2


async def test_times_follow_the_order_of_the_list(database: Database, store: NotificationStore) -> None:
    ada = (await members(database))["ada"]
    await asyncio.gather(*(store.create([ada], CONTENT) for _ in range(50)))

    rows = await database.rows("SELECT created_at FROM notification ORDER BY seq", repeatable=True)

    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    assert len(rows) == 50


async def test_what_removed_members_leave_behind_is_swept(
    database: Database, store: NotificationStore, member_store: MemberStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("readstate.store.members.ROWS_PER_BATCH", 2)
    found = await members(database)
    for _ in range(5):
        await store.create(list(found.values()), CONTENT)
    await member_store.remove(["ada"])
    await database.rows("UPDATE member SET removed_at = removed_at - interval '2 minutes'", repeatable=True)

    await member_store.sweep()

    assert (await store.unread_summary(found["ada"])).unread == 0
    assert (await store.unread_summary(found["grace"])).unread == 5
    assert not await database.rows("SELECT FROM member WHERE user_id = 'ada'", repeatable=True)


async def test_whoever_comes_back_has_no_notifications(
    database: Database, store: NotificationStore, member_store: MemberStore
) -> None:
    found = await members(database)
    await store.create([found["ada"]], CONTENT)
    await member_store.remove(["ada"])
    await member_store.upsert([NewMember("ada", "acme")])

    again = (await member_store.find_in_organization("acme", ["ada"]))["ada"]

    assert (await store.unread_summary(again)).unread == 0


class TestWithTheOrganisationFromClaims:
    @pytest.fixture
    def settings(self, settings: ServerSettings) -> ServerSettings:
        return settings.model_copy(update={"directory": "claims"})

    async def test_recipients_are_made_by_their_user_id(self, server: RunningServer, caller_for: CallerFor) -> None:
        messenger = caller_for("messenger", scope="messaging:write")
        early: Caller = caller_for("ada", org="acme")
        assert not (await early.call("ListNotifications")).notifications

        ids = await messenger.notify("ada", "grace", org_id="acme")
        more = await messenger.notify("ada", "grace", org_id="acme")

        assert len(ids) == len(more) == 2
        for user, expected in ("ada", [more[0], ids[0]]), ("grace", [more[1], ids[1]]):
            listed = await caller_for(user, org="acme").call("ListNotifications")
            assert [n.id for n in listed.notifications] == expected
        assert not (await caller_for("ada", org="globex").call("ListNotifications")).notifications

    async def test_many_at_once_make_each_member_once(self, server: RunningServer, caller_for: CallerFor) -> None:
        messenger = caller_for("messenger", scope="messaging:write")
        users = [f"user-{n}" for n in range(20)]

        await asyncio.gather(*(messenger.notify(*users[n:], *users[:n]) for n in range(6)))

        assert (await caller_for("user-7", org="acme").call("GetUnreadSummary")).unseen_count == 6
