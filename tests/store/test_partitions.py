"""The statements on partitioned tables: rows of another partition, which have the same ctids, stay."""

import asyncio
from datetime import timedelta

import pytest

from readstate.model import KeyedRequest, OrgMember, Pruned, Retention
from readstate.store.erasure.store import ErasureStore
from readstate.store.idempotency import IdempotencyStore
from readstate.store.marks.store import MarkStore
from readstate.store.members import MemberStore
from readstate.store.notifications.store import NotificationStore
from readstate.store.pool import Database
from readstate.store.retention.store import RetentionStore
from tests.notifications.rules import CONTENT
from tests.store import data
from tests.store.data import Connection

TABLES = ("read_mark", "read_cursor", "notification", "notification_cursor", "idempotency_key")
EVENTS = list(range(1, 21))
USERS = [OrgMember(1, 1), OrgMember(2, 1), OrgMember(3, 2)]


@pytest.fixture
async def partitioned(connection: Connection) -> Connection:
    """Every organisation in a partition of its own. Users 1 and 2 are of organisation 1, user 3 is of 2."""
    for table in TABLES:
        await connection.execute(f"ALTER TABLE {table} RENAME TO {table}_before")
        await connection.execute(
            f"CREATE TABLE {table} (LIKE {table}_before INCLUDING ALL) PARTITION BY LIST (org_key)"
        )
        for org_key in 1, 2:
            await connection.execute(f"CREATE TABLE {table}_{org_key} PARTITION OF {table} FOR VALUES IN ({org_key})")
    await data.load(connection, events=len(EVENTS), members=2)
    await connection.execute("INSERT INTO member (user_id, org_key) VALUES ('user3', 2)")
    return connection


async def test_unmarking_together_leaves_other_organisations_marks(partitioned: Connection, marks: MarkStore) -> None:
    for member in USERS:
        await marks.mark_read(member, EVENTS)
    results = await asyncio.gather(*(marks.mark_unread(member, EVENTS[:2]) for member in USERS[:2]))
    assert [(result.changed, result.matched) for result in results] == [(2, 2)] * 2
    assert [len(await data.marks_of(partitioned, member.member_key)) for member in USERS] == [18, 18, 20]


async def test_sweeping_a_removed_member_leaves_what_is_others(
    partitioned: Connection, database: Database, marks: MarkStore
) -> None:
    for member in USERS:
        await marks.mark_read(member, EVENTS)
        await NotificationStore(database).create([member], CONTENT)
    members = MemberStore(database)
    await members.remove(["user1"])
    await members.sweep()
    assert [len(await data.marks_of(partitioned, member.member_key)) for member in USERS] == [0, 20, 20]
    left = await partitioned.fetch("SELECT member_key FROM notification ORDER BY 1")
    assert [row["member_key"] for row in left] == [2, 3]


@pytest.mark.parametrize("in_bulk", [False, True])
async def test_pruning_leaves_other_organisations_rows(
    partitioned: Connection, database: Database, marks: MarkStore, in_bulk: bool
) -> None:
    await partitioned.execute(
        "UPDATE system_event SET recorded_at = now() - interval '2 days' WHERE org_key = 1 AND seq < 6"
    )
    for member in USERS:
        await marks.mark_read(member, EVENTS)
        await NotificationStore(database).create([member], CONTENT)
    await partitioned.execute("UPDATE notification SET created_at = now() - interval '2 days' WHERE org_key = 1")
    kept = Retention(timedelta(days=1), timedelta(days=1), unread_notifications=True)
    assert await RetentionStore(database).prune(kept, in_bulk=in_bulk) == Pruned(5, 10, 2)
    assert [len(await data.marks_of(partitioned, member.member_key)) for member in USERS] == [15, 15, 20]
    assert await partitioned.fetchval("SELECT array_agg(member_key) FROM notification") == [3]


async def test_erasing_an_organisation_leaves_other_organisations_rows(
    partitioned: Connection, database: Database, marks: MarkStore
) -> None:
    for member in USERS:
        await marks.mark_read(member, EVENTS)
        await NotificationStore(database).create([member], CONTENT)
        await IdempotencyStore(database).once(KeyedRequest("user", member.org_key, f"{member}", b"f" * 32), reply)
    erased = await ErasureStore(database).organization("org1", members_from_claims=False)
    assert (erased["read_mark"], erased["notification"], erased["idempotency_key"]) == (40, 2, 2)
    assert [len(await data.marks_of(partitioned, member.member_key)) for member in USERS] == [0, 0, 20]
    for table in TABLES:
        assert await partitioned.fetchval(f"SELECT array_agg(DISTINCT org_key) FROM {table}") == [2]


async def test_sweeping_expired_keys_leaves_those_of_other_organisations(
    partitioned: Connection, database: Database
) -> None:
    keys = IdempotencyStore(database)
    for org_key in 1, 2:
        await keys.once(KeyedRequest("user", org_key, "key", b"f" * 32), reply)
    await partitioned.execute("UPDATE idempotency_key_1 SET kept_at = now() - interval '25 hours'")
    await partitioned.execute("VACUUM FULL idempotency_key_1")
    assert await keys.sweep() == 1
    assert await partitioned.fetchval("SELECT array_agg(org_key) FROM idempotency_key") == [2]


async def reply() -> bytes:
    return b"reply"
