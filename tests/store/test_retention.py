"""What is old goes: events from the oldest on with their marks, and notifications. Counts stay exact."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from datetime import UTC, datetime, timedelta

import pytest

from readstate import config
from readstate.config import RetentionSettings
from readstate.errors import Migrating, NotificationNotFound
from readstate.model import (
    EventQuery,
    NewSystemEvent,
    NotificationQuery,
    OrgMember,
    Pruned,
    Retention,
    Status,
    UnreadSummary,
)
from readstate.server import upkeep
from readstate.store.erasure import store as erasure
from readstate.store.erasure.sql import ERASE_MARKS, LOCK_READERS
from readstate.store.events import EventStore
from readstate.store.inbox.store import InboxStore
from readstate.store.marks.store import MarkStore
from readstate.store.notifications.store import NotificationStore
from readstate.store.pool import Connection as PoolConnection
from readstate.store.pool import Database, Row
from readstate.store.read_cursor import lock
from readstate.store.retention import events as pruning_events
from readstate.store.retention import marks as pruning_marks
from readstate.store.retention import notifications as pruning_notifications
from readstate.store.retention import pace
from readstate.store.retention.store import RetentionStore
from tests.notifications.rules import CONTENT, one_waits_for_a_lock
from tests.store import data
from tests.store.data import Connection
from tests.store.histories.audit import audit

ADA, GRACE, BOB = OrgMember(1, 1), OrgMember(2, 1), OrgMember(3, 2)
EVENTS = 200
YEAR = timedelta(days=365)
OLD_EVENTS = "UPDATE system_event SET recorded_at = now() - interval '2 years' WHERE org_key = 1 AND seq = ANY ($1)"
OLD_NOTIFICATIONS = """
UPDATE notification SET created_at = now() - interval '2 years', updated_at = now() WHERE id = ANY ($1)
"""
NOTIFICATION_AUDIT = """
SELECT c.member_key FROM notification_cursor c
 CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE seen_at IS NULL) AS unseen, count(*) AS unread FROM notification n
     WHERE n.member_key = c.member_key AND n.org_key = c.org_key AND n.read_at IS NULL AND n.dismissed_at IS NULL) n
 WHERE (c.unseen, c.unread) <> (n.unseen, n.unread)
"""

EVENTS_ONLY = Retention(YEAR, None, unread_notifications=False)


@pytest.fixture(autouse=True)
async def organization(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ada and Grace are in organisation 1, Bob is in 2. Steps are small."""
    for module, name, size in (
        (lock, "ROWS_PER_STEP", 7),
        (pruning_events, "EVENTS_PER_STEP", 10),
        (pruning_events, "EVENTS_PER_LOOK", 10),
        (pruning_marks, "CURSORS_PER_PAGE", 1),
        (pruning_marks, "COUNTED_PER_STEP", 7),
        (erasure, "ROWS_PER_STEP", 10),
        (pruning_notifications, "MEMBERS_PER_STEP", 1),
        (pruning_notifications, "ROWS_PER_MEMBER", 3),
    ):
        monkeypatch.setattr(module, name, size)
    monkeypatch.setattr(pace, "REST", 0.0)
    await data.load(connection, events=EVENTS, members=2)
    await connection.execute("INSERT INTO member (user_id, org_key) VALUES ('user3', 2)")


@pytest.fixture
async def store(database: Database, connection: Connection) -> AsyncIterator[RetentionStore]:
    yield RetentionStore(database)
    assert await audit(connection) == []
    assert await connection.fetch(NOTIFICATION_AUDIT) == []


async def pruned_seq(connection: Connection) -> int:
    return int(await connection.fetchval("SELECT pruned_seq FROM event_stream WHERE org_key = 1"))


@pytest.mark.parametrize("in_bulk", [False, True])
async def test_the_longest_prefix_of_old_events_goes_with_its_marks(
    connection: Connection, database: Database, store: RetentionStore, marks: MarkStore, in_bulk: bool
) -> None:
    await connection.execute(OLD_EVENTS, [*range(1, 121), 150])
    await marks.mark_read(ADA, [*range(1, 100, 2), 150])
    await marks.mark_read(GRACE, [3, 130])
    await marks.mark_read(BOB, [3])
    expected = Pruned(events=120, marks=51, notifications=0)

    assert await store.prune(EVENTS_ONLY, dry_run=True, in_bulk=in_bulk) == expected
    assert await pruned_seq(connection) == 0
    assert await store.prune(EVENTS_ONLY, in_bulk=in_bulk) == expected
    assert await store.prune(EVENTS_ONLY, in_bulk=in_bulk) == Pruned(0, 0, 0)

    assert await pruned_seq(connection) == 120
    assert [await data.marks_of(connection, member.member_key) for member in (ADA, GRACE, BOB)] == [{150}, {130}, {3}]
    inbox = InboxStore(database)
    assert (await inbox.unread_count(ADA)).unread == (await inbox.unread_count(GRACE)).unread == 79
    page = await inbox.page(ADA, EventQuery(limit=100, with_total=True))
    assert (page.total, page.events[-1].seq, page.next_before) == (80, 121, None)
    assert (await marks.mark_read(GRACE, [120, 121])).matched == 1


async def test_no_event_goes_before_a_younger_one(connection: Connection, store: RetentionStore) -> None:
    # Times follow positions only nearly.
    await connection.execute(OLD_EVENTS, [seq for seq in range(1, EVENTS + 1) if seq not in (25, 26)])
    assert (await store.prune(EVENTS_ONLY, dry_run=True)).events == 24
    assert (await store.prune(EVENTS_ONLY)).events == 24


async def test_a_stream_that_is_old_as_a_whole_is_emptied_and_goes_on(
    connection: Connection, database: Database, store: RetentionStore, marks: MarkStore
) -> None:
    await connection.execute(OLD_EVENTS, list(range(1, EVENTS + 1)))
    assert (await store.prune(EVENTS_ONLY)).events == EVENTS
    events = EventStore(database)
    # An id that was pruned is free again.
    assert await events.record("org1", [NewSystemEvent(7, "again", "", None, None)]) == [7]
    assert await events.record("org1", [NewSystemEvent(None, "next", "", None, None)]) == [EVENTS + 1]
    page = await InboxStore(database).page(ADA, EventQuery(limit=10))
    assert [(event.event_id, event.seq, event.read) for event in page.events] == [
        (EVENTS + 1, EVENTS + 2, False),
        (7, EVENTS + 1, False),
    ]


async def test_an_undo_brings_back_nothing_that_is_pruned(
    connection: Connection, database: Database, store: RetentionStore
) -> None:
    inbox = InboxStore(database)
    await connection.execute(OLD_EVENTS, list(range(1, 41)))
    token = (await inbox.mark_all_read(ADA, EVENTS)).undo_token
    assert token is not None
    await store.prune(EVENTS_ONLY)
    assert (await inbox.undo_mark_all(ADA, token)).unread == EVENTS - 40


@pytest.mark.parametrize("in_bulk", [False, True])
async def test_a_cursor_that_is_busy_is_waited_for_after_the_others(
    connection: Connection, database: Database, store: RetentionStore, marks: MarkStore, in_bulk: bool
) -> None:
    await connection.execute(OLD_EVENTS, list(range(1, 41)))
    for member in ADA, GRACE:
        await marks.mark_read(member, range(1, 11))
    async with connection.transaction():
        await connection.execute("SELECT FROM read_cursor WHERE member_key = 1 FOR UPDATE")
        pruning = asyncio.create_task(store.prune(EVENTS_ONLY, in_bulk=in_bulk))
        await one_waits_for_a_lock(database)
    assert (await pruning).marks == 20


async def test_what_an_earlier_run_left_is_found(
    connection: Connection, database: Database, store: RetentionStore, marks: MarkStore
) -> None:
    await connection.execute(OLD_EVENTS, list(range(1, 41)))
    await marks.mark_read(ADA, range(1, 31))
    await pruning_events.EventPruner(database).prune(1, datetime.now(UTC) - YEAR)
    assert await data.marks_of(connection, 1) == set(range(1, 31))
    assert await store.prune(EVENTS_ONLY) == Pruned(0, 30, 0)


@pytest.fixture
async def left_over(connection: Connection, database: Database, store: RetentionStore, marks: MarkStore) -> None:
    """Ada and Grace have 40 rows each that count for nothing, as a bulk run leaves them that breaks off."""
    await connection.execute(OLD_EVENTS, list(range(1, 81)))
    for member in ADA, GRACE:
        await marks.mark_read(member, [*range(1, 41), 90, 92])
    await pruning_events.EventPruner(database).prune(1, datetime.now(UTC) - YEAR)
    await pruning_marks.MarkPruner(database, leaves_rows=True).prune(1)
    assert [len(await data.marks_of(connection, member.member_key)) for member in (ADA, GRACE)] == [42, 42]


@pytest.mark.usefixtures("left_over")
async def test_rows_that_a_bulk_run_left_go_with_the_next_one(connection: Connection, store: RetentionStore) -> None:
    assert (await store.prune(EVENTS_ONLY)).marks == 0
    assert (await store.prune(EVENTS_ONLY, in_bulk=True)).marks == 80
    assert [await data.marks_of(connection, member.member_key) for member in (ADA, GRACE)] == [{90, 92}] * 2


@pytest.mark.usefixtures("left_over")
async def test_rows_that_a_bulk_run_left_count_for_nothing(connection: Connection, database: Database) -> None:
    inbox = InboxStore(database)
    unread = EVENTS - 82
    assert (await inbox.unread_count(ADA)).unread == unread
    assert (await inbox.page(ADA, EventQuery(limit=100, unread_only=True, with_total=True))).total == unread
    marked = await inbox.mark_all_read(ADA, 95)
    assert (marked.changed, marked.unread) == (13, unread - 13)
    assert marked.undo_token is not None
    assert (await inbox.undo_mark_all(ADA, marked.undo_token)).unread == unread


@pytest.mark.usefixtures("left_over")
async def test_erasing_takes_rows_that_count_for_nothing_from_no_count(
    connection: Connection, database: Database
) -> None:
    def step(connection: PoolConnection) -> Awaitable[Row]:
        return erasure._erase_step(
            connection, lock=LOCK_READERS, erase=ERASE_MARKS, org_key=1, member_keys=[ADA.member_key]
        )

    rows = -1
    while rows:
        rows = (await database.run(step, repeatable=True))["rows"]
        assert await audit(connection) == []
    assert await data.marks_of(connection, ADA.member_key) == set()


async def test_a_member_with_many_rows_is_settled_in_steps_also_by_a_call(
    connection: Connection, database: Database, store: RetentionStore, marks: MarkStore
) -> None:
    await connection.execute(OLD_EVENTS, list(range(1, 101)))
    inbox = InboxStore(database)
    for member in ADA, GRACE:
        await marks.mark_read(member, [*range(1, 100, 2), 150])
    await pruning_events.EventPruner(database).prune(1, datetime.now(UTC) - YEAR)
    assert (await inbox.unread_count(ADA)).unread == EVENTS - 101
    assert (await inbox.mark_all_read(GRACE, 110)).changed == 10
    assert await data.marks_of(connection, 1) == await data.marks_of(connection, 2) == {150}


# -- Notifications ----------------------------------------------------------------------------------------------------


async def notified(database: Database, member: OrgMember, count: int) -> list[str]:
    return [(await NotificationStore(database).create([member], CONTENT))[0] for _ in range(count)]


@pytest.mark.parametrize("unread", [False, True])
async def test_old_notifications_go_and_unread_ones_only_if_asked(
    connection: Connection, database: Database, store: RetentionStore, unread: bool
) -> None:
    notifications = NotificationStore(database)
    old, young = await notified(database, ADA, 11), await notified(database, ADA, 4)
    others = await notified(database, GRACE, 2) + await notified(database, BOB, 1)
    await connection.execute(OLD_NOTIFICATIONS, old + others)
    for notification_id in (old[1], young[0]):
        await notifications.mark_read(ADA, notification_id)
    await notifications.mark_seen(ADA, old[2])
    await notifications.dismiss(ADA, old[9])
    kept = Retention(None, YEAR, unread_notifications=unread)
    expected = Pruned(0, 0, 14 if unread else 2)

    assert await store.prune(kept, dry_run=True) == expected
    assert await notifications.unread_summary(ADA) == UnreadSummary(11, 12, 19)
    assert await store.prune(kept) == expected
    assert await store.prune(kept) == Pruned(0, 0, 0)

    summary = await notifications.unread_summary(ADA)
    assert (summary.unseen, summary.unread) == ((3, 3) if unread else (11, 12))
    assert summary.version > 19
    listed = await notifications.page(ADA, NotificationQuery(None, None, None, 50))
    left = [*young] if unread else [i for i in old if i not in (old[1], old[9])] + young
    assert [notification.id for notification in listed.notifications] == left[::-1]
    with pytest.raises(NotificationNotFound):
        await notifications.find(ADA, old[1])
    assert len((await notifications.page(ADA, NotificationQuery(Status.DISMISSED, None, None, 50))).notifications) == 0


async def test_notifications_of_a_member_who_is_acting_are_waited_for(
    connection: Connection, database: Database, store: RetentionStore
) -> None:
    await connection.execute(OLD_NOTIFICATIONS, await notified(database, ADA, 5) + await notified(database, GRACE, 5))
    async with connection.transaction():
        await connection.execute("SELECT FROM notification_cursor WHERE member_key = 1 FOR UPDATE")
        pruning = asyncio.create_task(store.prune(Retention(None, YEAR, unread_notifications=True)))
        await one_waits_for_a_lock(database)
    assert (await pruning).notifications == 10


async def test_counts_hold_while_notifications_come_are_read_and_go(
    connection: Connection, database: Database, store: RetentionStore
) -> None:
    notifications = NotificationStore(database)
    kept = Retention(None, timedelta(milliseconds=30), unread_notifications=True)

    async def act(member: OrgMember) -> None:
        for _ in range(25):
            (made,) = await notifications.create([member], CONTENT)
            try:
                await notifications.mark_seen(member, made)
                await notifications.mark_read(member, made)
            except NotificationNotFound:
                pass  # gone already
            await notifications.mark_all_seen(member, None)

    async def prune() -> None:
        while not acting.done():
            await store.prune(kept)

    acting = asyncio.gather(*(act(member) for member in (ADA, GRACE, BOB) for _ in range(2)))
    await asyncio.gather(acting, prune(), prune())
    assert await connection.fetch(NOTIFICATION_AUDIT) == []


# -- Who asks for it --------------------------------------------------------------------------------------------------


async def test_nothing_is_pruned_while_an_upgrade_is_not_finished(connection: Connection, database: Database) -> None:
    await connection.execute("DELETE FROM migration_phase WHERE name = 'cursors_finished'")
    with pytest.raises(Migrating):
        await RetentionStore(database).prune(EVENTS_ONLY)


async def test_a_server_counts_from_the_whole_hour(
    connection: Connection, database_url: str, database: Database, store: RetentionStore
) -> None:
    hour = "date_trunc('hour', now())"
    aged = f"UPDATE system_event SET recorded_at = {hour} - interval '1 day' + interval '1 ms' * (seq - 3)"
    await connection.execute(f"{aged} WHERE org_key = 1")
    settings = config.load(RetentionSettings, database_url=database_url, prune_events_older_than="1d")
    sweep = upkeep.pruning(settings, database)
    assert (await sweep()).events in (2, EVENTS)  # if an hour has just begun
    assert (await sweep()).events in (0, EVENTS - 2)
