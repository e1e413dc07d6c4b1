"""No statement reads a populated table from end to end, also right after a bulk load that nothing has analysed."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeAlias

import asyncpg
import pytest

from readstate.errors import NotificationNotFound
from readstate.model import KeyedRequest, NotificationQuery, OrgMember, Status
from readstate.store import pool
from readstate.store.idempotency import IdempotencyStore
from readstate.store.members import MemberStore
from readstate.store.migrate import migrate
from readstate.store.notifications.store import NotificationStore
from readstate.store.pool import Database
from tests.conftest import settings_on
from tests.notifications.rules import CONTENT, members
from tests.servers import PostgresServer

LOAD = """
INSERT INTO notification (member_key, org_key, seq, created_at, updated_at, seen_at, id, category, title, priority)
SELECT k, $1, s, now(), now(), CASE WHEN s % 2 = 0 THEN now() END,
       'nf_' || translate(to_char(k * 100000 + s, 'FM000000000000'), ' ', '0'), 'chat.message', 'Hello', 'normal'
  FROM generate_series(1, 100) AS k, generate_series(1, 1000) AS s
"""
LOAD_STREAM = """
INSERT INTO notification_stream (org_key, last_seq) VALUES ($1, 20000)
ON CONFLICT (org_key) DO UPDATE SET last_seq = EXCLUDED.last_seq
"""
LOAD_KEYS = """
INSERT INTO idempotency_key (org_key, user_id, key, fingerprint, reply)
SELECT 1, 'user-' || n, 'key', '', '' FROM generate_series(1, 50000) AS n
"""
LOAD_MEMBERS = "INSERT INTO member (user_id, org_key) SELECT 'user-' || n, $1 FROM generate_series(1, 50000) AS n"
ROWS_READ = """
SELECT relname, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) AS rows FROM pg_stat_xact_user_tables
 WHERE relname IN ('notification', 'idempotency_key', 'member')
"""

Act: TypeAlias = Callable[[NotificationStore, OrgMember], Awaitable[Any]]

ID = "nf_000000100500"


def page(status: Status | None, category: str | None = None) -> Act:
    query = NotificationQuery(status=status, category=category, before=900, limit=50)
    return lambda store, member: store.page(member, query)


ACTS: dict[str, Act] = {
    "create": lambda store, member: store.create([member], CONTENT),
    "find": lambda store, member: store.find(member, ID),
    "mark_seen": lambda store, member: store.mark_seen(member, ID),
    "mark_read": lambda store, member: store.mark_read(member, ID),
    "dismiss": lambda store, member: store.dismiss(member, ID),
    "unread_summary": lambda store, member: store.unread_summary(member),
    "mark_all_seen": lambda store, member: store.mark_all_seen(member, None),
    "mark_all_seen_up_to": lambda store, member: store.mark_all_seen(member, ID),
    "page": page(None),
    "page_of_a_category": page(None, "chat.message"),
    **{f"page_of_{status.value}": page(status) for status in Status},
}


@pytest.fixture(scope="module")
async def large_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """One database for the tests of this file that only look: each rolls back what it does."""
    async with postgres_server.copied(postgres_server.template) as url:
        await migrate(url)
        yield url


@pytest.fixture(scope="module")
async def large(large_url: str) -> AsyncIterator[Database]:
    async with pool.connect(settings_on(large_url)) as database:
        yield database


@pytest.fixture(scope="module")
async def ada(large: Database, large_url: str) -> OrgMember:
    """The first member, beside 50,000 others; a hundred members have 1,000 notifications each."""
    store = NotificationStore(large)
    ada = (await members(large))["ada"]
    for table in "notification", "idempotency_key", "member":
        await large.rows(f"ALTER TABLE {table} SET (autovacuum_enabled = off)", repeatable=True)
    # A plan made for the empty table, and kept, is the one to fear: seven uses make it. ALTER TABLE would drop it.
    for act in ACTS.values():
        for _ in range(7):
            with suppress(NotificationNotFound):
                await act(store, ada)
    await large.rows("DELETE FROM notification", repeatable=True)
    await _fill(large_url, ada)
    return ada


async def _fill(url: str, ada: OrgMember) -> None:
    # Not by the pool: on a busy machine this takes longer than a call may.
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET statement_timeout = 0")
        await connection.execute(LOAD, ada.org_key)
        await connection.execute(LOAD_STREAM, ada.org_key)
        await connection.execute(LOAD_KEYS)
        await connection.execute(LOAD_MEMBERS, ada.org_key)
    finally:
        await connection.close()


class _RolledBack(Exception):
    """Ends a transaction whose work is not to stay."""


async def _reads_no_table_through(database: Database, work: Callable[[], Awaitable[Any]]) -> bool:
    """Whether `work`, done seven times, reads fewer rows of each table than the smallest of them holds."""
    read: Counter[str] = Counter()

    async def count() -> Counter[str]:
        return Counter({row["relname"]: row["rows"] for row in await database.rows(ROWS_READ, repeatable=True)})

    async def counted() -> None:
        # The session's figures may still hold what was done before.
        before = await count()
        for _ in range(7):
            await work()
        read.update(await count() - before)
        raise _RolledBack

    with suppress(_RolledBack):
        await database.transaction(counted, repeatable=False)
    return max(read.values(), default=0) < 50_000


@pytest.mark.parametrize("name", ACTS)
async def test_no_notification_is_read_that_need_not_be(large: Database, ada: OrgMember, name: str) -> None:
    assert await _reads_no_table_through(large, lambda: ACTS[name](NotificationStore(large), ada))


async def test_recipients_are_looked_up_by_their_ids(large: Database, ada: OrgMember) -> None:
    member_store = MemberStore(large)
    some = [f"user-{n}" for n in range(1, 101)]

    assert await _reads_no_table_through(large, lambda: member_store.find_in_organization("acme", some))
    assert await _reads_no_table_through(large, lambda: member_store.find_or_make_all(some))


async def test_keys_are_looked_up_by_their_callers(large: Database, ada: OrgMember) -> None:
    keys = IdempotencyStore(large)
    request = KeyedRequest(user_id="ada", org_key=1, key="key", fingerprint=b"")

    async def reply() -> bytes:
        return b""

    assert await _reads_no_table_through(large, lambda: keys.once(request, reply))
    assert await _reads_no_table_through(large, keys.sweep)


@pytest.mark.alone
async def test_ten_thousand_are_marked_in_under_a_second(database: Database, store: NotificationStore) -> None:
    ada = (await members(database))["ada"]
    load = LOAD.replace("generate_series(1, 100) AS k", f"(VALUES ({ada.member_key})) AS k (k)")
    await database.rows(load.replace("1000", "20000"), ada.org_key, repeatable=True)
    await database.rows(LOAD_STREAM, ada.org_key, repeatable=True)

    began = time.perf_counter()
    assert await store.mark_all_seen(ada, None) == 10_000
    assert time.perf_counter() - began < 1
