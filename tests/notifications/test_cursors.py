"""The counts of the summary are one row, and always those of the notifications."""

import asyncio
import random

import asyncpg
import pytest

from readstate.errors import NotificationNotFound
from readstate.model import OrgMember, UnreadSummary
from readstate.store.members import MemberStore
from readstate.store.notifications import store as notification_store
from readstate.store.notifications.store import NotificationStore
from readstate.store.pool import Database
from tests.notifications.rules import ACTIONS, CONTENT, members
from tests.waiting import until_answered

WRONG = """
SELECT member_key FROM (
    SELECT member_key, org_key, count(*) FILTER (WHERE seen_at IS NULL AND dismissed_at IS NULL) AS unseen,
           count(*) FILTER (WHERE read_at IS NULL AND dismissed_at IS NULL) AS unread
      FROM notification GROUP BY 1, 2) n
  FULL JOIN notification_cursor c USING (member_key, org_key)
 WHERE (c.unseen, c.unread) IS DISTINCT FROM (coalesce(n.unseen, 0), coalesce(n.unread, 0))
"""
MANY = """
WITH stream AS (INSERT INTO notification_stream VALUES ($1, 150000)),
cursor AS (INSERT INTO notification_cursor VALUES ($2, 1, $1, 150000, 150000))
INSERT INTO notification (member_key, org_key, seq, created_at, updated_at, id, category, title, priority)
SELECT $2, $1, s, now(), now(), 'nf_' || lpad(s::text, 12, '0'), 'c', 't', 'normal' FROM generate_series(1, 150000) s
"""


async def test_the_counts_are_exact_whatever_happens_at_the_same_time(
    database: Database, store: NotificationStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notification_store, "ROWS_PER_STEP", 3)
    both = list((await members(database)).values())
    ids: dict[OrgMember, list[str]] = {member: [] for member in both}
    found_wrong: list[object] = []

    async def act(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(25):
            member = chance.choice(both)
            match chance.choice(("create", *ACTIONS, *ACTIONS, "mark_all_seen", "mark_all_read", "audit")):
                case "create":
                    recipients = chance.choice(([member], both))
                    made = await store.create(recipients, CONTENT)
                    for recipient, notification_id in zip(recipients, made, strict=True):
                        ids[recipient].append(notification_id)
                case "audit":
                    found_wrong.extend(await database.rows(WRONG, repeatable=True))
                case ("mark_all_seen" | "mark_all_read") as action:
                    up_to = chance.choice([None, *ids[member][-3:]])
                    await getattr(store, action)(member, up_to)
                case action if ids[member]:
                    await getattr(store, action)(member, chance.choice(ids[member][-6:]))

    await asyncio.gather(*(act(seed) for seed in range(10)))

    assert found_wrong == []
    assert await database.rows(WRONG, repeatable=True) == []


async def test_the_version_rises_with_every_change_and_with_nothing_else(
    database: Database, store: NotificationStore
) -> None:
    ada = (await members(database))["ada"]
    assert await store.unread_summary(ada) == UnreadSummary(0, 0, 0)
    first, second = (await store.create([ada], CONTENT))[0], (await store.create([ada], CONTENT))[0]
    steps = [
        (store.mark_seen(ada, first), UnreadSummary(1, 2, 3)),
        (store.mark_seen(ada, first), UnreadSummary(1, 2, 3)),
        (store.mark_read(ada, second), UnreadSummary(0, 1, 4)),
        (store.dismiss(ada, second), UnreadSummary(0, 1, 5)),
        (store.mark_read(ada, second), UnreadSummary(0, 1, 5)),
        (store.dismiss(ada, first), UnreadSummary(0, 0, 6)),
        (store.mark_all_seen(ada, None), UnreadSummary(0, 0, 6)),
        (store.create([ada], CONTENT), UnreadSummary(1, 1, 7)),
        (store.mark_all_read(ada, None), UnreadSummary(0, 0, 8)),
    ]
    for step, summary in steps:
        await step
        assert await store.unread_summary(ada) == summary


async def test_all_read_reaches_what_has_been_shown_and_no_further(
    database: Database, store: NotificationStore
) -> None:
    found = await members(database)
    ids = [(await store.create([found["ada"]], CONTENT))[0] for _ in range(4)]
    (other,) = await store.create([found["grace"]], CONTENT)
    await store.mark_seen(found["ada"], ids[0])
    await store.dismiss(found["ada"], ids[1])

    assert await store.mark_all_read(found["ada"], ids[2]) == 2
    assert await store.mark_all_read(found["ada"], ids[2]) == 0
    statuses = [(await store.find(found["ada"], notification_id)).status.value for notification_id in ids]
    assert statuses == ["read", "dismissed", "read", "unseen"]
    assert await store.unread_summary(found["ada"]) == UnreadSummary(1, 1, 7)
    assert (await store.unread_summary(found["grace"])).unread == 1
    for missing in (other, "nf_000000000000", "no id"):
        with pytest.raises(NotificationNotFound):
            await store.mark_all_read(found["ada"], missing)


@pytest.mark.parametrize("action", ["mark_all_seen", "mark_all_read"])
async def test_150_000_go_in_steps(
    database: Database, database_url: str, store: NotificationStore, action: str
) -> None:
    connection = await asyncpg.connect(database_url)
    ada = (await members(database))["ada"]
    await connection.execute("SET statement_timeout = 0")
    await connection.execute(MANY, ada.org_key, ada.member_key)
    await connection.close()

    assert await getattr(store, action)(ada, None) == 150_000

    steps = "SELECT count(DISTINCT xmin::text) AS steps FROM notification"
    assert (await database.rows(steps, repeatable=True))[0]["steps"] == 150_000 / notification_store.ROWS_PER_STEP
    assert await database.rows(WRONG, repeatable=True) == []


async def test_what_comes_meanwhile_stays_unseen(
    database: Database, store: NotificationStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notification_store, "ROWS_PER_STEP", 2)
    ada = (await members(database))["ada"]
    for _ in range(20):
        await store.create([ada], CONTENT)
    seeing = asyncio.create_task(store.mark_all_seen(ada, None))
    begun = "SELECT FROM notification WHERE seen_at IS NOT NULL LIMIT 1"
    await until_answered(lambda: database.rows(begun, repeatable=True))
    late = [(await store.create([ada], CONTENT))[0] for _ in range(3)]
    assert await seeing == 20
    assert [(await store.find(ada, notification_id)).seen_at for notification_id in late] == [None] * 3
    assert (await store.unread_summary(ada)).unseen == 3


async def test_removal_takes_the_cursor(
    database: Database, store: NotificationStore, member_store: MemberStore
) -> None:
    found = await members(database)
    await store.create(list(found.values()), CONTENT)
    await member_store.remove(["ada"])
    await member_store.sweep()
    rows = await database.rows("SELECT member_key FROM notification_cursor", repeatable=True)
    assert [row["member_key"] for row in rows] == [found["grace"].member_key]
