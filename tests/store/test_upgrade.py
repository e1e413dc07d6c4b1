"""The upgrade to read cursors, in two phases, while servers go on."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import pytest

from readstate.config import DatabaseSettings, load
from readstate.errors import Migrating
from readstate.model import EventQuery, NewMember, NotificationContent, OrgMember, Priority
from readstate.store import indexes, pool
from readstate.store.inbox.store import InboxStore
from readstate.store.marks.store import MarkStore
from readstate.store.marks.writer import Mark
from readstate.store.members import MemberStore
from readstate.store.migrate import migrate
from readstate.store.notifications.store import NotificationStore
from readstate.store.read_cursor.finish import finish
from readstate.telemetry.metrics import Metrics
from tests.store import data, release_before
from tests.store.data import Connection
from tests.store.histories.audit import audit
from tests.waiting import until, until_answered

MEMBERS = 2_000
MARKS = {"embedded": 100, "debian": 50}
"""Marks of each member: 200,000 in all on one server, so that finishing takes many steps, and fewer on the other."""
EVENTS = 1_000

NOTIFICATIONS = """
WITH stream AS (INSERT INTO notification_stream VALUES (1, 20))
INSERT INTO notification (member_key, org_key, seq, created_at, updated_at, seen_at, id, category, title, priority)
SELECT k, 1, s, now(), now(), CASE WHEN s % 3 = 0 THEN now() END, 'nf_' || lpad((k * 100 + s)::text, 12, '0'), 'c', 't',
       'normal'
  FROM generate_series(1, 100) AS k, generate_series(1, 20) AS s
"""
WRONG_SUMMARIES = """
SELECT n.member_key FROM (
    SELECT member_key, org_key, count(*) FILTER (WHERE seen_at IS NULL AND dismissed_at IS NULL) AS unseen,
           count(*) FILTER (WHERE read_at IS NULL AND dismissed_at IS NULL) AS unread
      FROM notification GROUP BY 1, 2) n
  LEFT JOIN notification_cursor c USING (member_key, org_key)
 WHERE (c.unseen, c.unread) IS DISTINCT FROM (n.unseen, n.unread)
"""
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


class Servers:
    """Calls in loops, until told to end. Remembers the longest."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.calls = 0
        self._ending = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, call: Callable[[random.Random], Awaitable[Any]]) -> None:
        async def loop(seed: int) -> None:
            chance = random.Random(seed)
            while not self._ending:
                began = time.monotonic()
                await call(chance)
                self.longest = max(self.longest, time.monotonic() - began)
                self.calls += 1

        self._tasks.append(asyncio.create_task(loop(len(self._tasks))))

    async def end(self) -> None:
        self._ending = True
        await asyncio.gather(*self._tasks)


@asynccontextmanager
async def release_before_serving(url: str) -> AsyncIterator[Servers]:
    """Clients of the release before mark, unmark and record all the while."""
    servers = Servers()
    async with AsyncExitStack() as stack:
        for act in (mark, mark, unmark, record, see):
            connection = await asyncpg.connect(url)
            stack.push_async_callback(connection.close)
            servers.start(lambda chance, act=act, connection=connection: act(connection, chance))  # type: ignore[misc]
        yield servers
        await servers.end()


async def mark(connection: Connection, chance: random.Random) -> None:
    ids = [chance.randint(1, EVENTS) for _ in range(3)]
    await connection.fetch(release_before.MARK_READ, 1, chance.randint(1, MEMBERS + 50), ids)


async def unmark(connection: Connection, chance: random.Random) -> None:
    ids = [chance.randint(1, EVENTS) for _ in range(3)]
    await connection.fetch(release_before.MARK_UNREAD, 1, chance.randint(1, MEMBERS), ids)


async def record(connection: Connection, chance: random.Random) -> None:
    async with connection.transaction():
        last = await connection.fetchval(release_before.LOCK_STREAM, 1)
        await connection.fetch(release_before.RECORD_EVENTS, 1, [last + 1], ["t"], [""], [None], [None])


async def see(connection: Connection, chance: random.Random) -> None:
    await connection.fetch(release_before.MARK_NOTIFICATION_SEEN, chance.randint(1, 100), 1, chance.randint(1, 20))


@pytest.fixture
async def before(empty_database_url: str) -> AsyncIterator[Connection]:
    """A connection to a database of the release before, with members and events, and nothing in them."""
    await release_before.install(empty_database_url)
    connection = await asyncpg.connect(empty_database_url)
    await data.load(connection, events=EVENTS, members=MEMBERS + 50)
    yield connection
    await connection.close()


async def test_everything_goes_on_and_the_counts_are_exact(
    before: Connection, empty_database_url: str, request: pytest.FixtureRequest
) -> None:
    url = empty_database_url
    engine = next(name for name in MARKS if name in request.node.name)
    await before.execute(data.MARKS, MEMBERS, MARKS[engine])
    await before.execute(NOTIFICATIONS)
    files = await before.fetchval("SELECT pg_relation_filenode('read_mark')")

    async with release_before_serving(url) as servers:
        await migrate(url)
        calls = servers.calls
        await until(lambda: servers.calls > calls + 50)
    assert servers.longest < 3

    async with pool.connect(load(DatabaseSettings, database_url=url)) as database:
        marks, inbox, notifications = MarkStore(database, Metrics()), InboxStore(database), NotificationStore(database)
        ada = OrgMember(1, 1)
        await refuses(inbox, marks, ada)
        assert (await notifications.unread_summary(ada)).version == 0
        assert await before.fetchval("SELECT count(*) FROM read_cursor") == 0

        # Servers of this release go on as well, and notice.
        serving = Servers()
        for _ in range(4):
            serving.start(lambda chance: marks_something(marks, notifications, chance))
        made = await finish(url)
        calls = serving.calls
        await until(lambda: serving.calls > calls + 50)
        await serving.end()

        assert made > 0
        assert await audit(before) == []
        assert await before.fetch(WRONG_SUMMARIES) == []
        head = await before.fetchval("SELECT last_seq FROM event_stream WHERE org_key = 1")
        read = await before.fetchval("SELECT count(*) FROM read_mark WHERE member_key = 1")
        assert (await inbox.unread_count(ada)).unread == head - read
        assert await finish(url) == 0
    assert await before.fetchval("SELECT pg_relation_filenode('read_mark')") == files, "read_mark is written anew"


async def marks_something(marks: MarkStore, notifications: NotificationStore, chance: random.Random) -> None:
    member = OrgMember(chance.randint(1, MEMBERS + 50), 1)
    act = chance.choice((marks.mark_read, marks.mark_read, marks.mark_unread))
    await act(member, [chance.randint(1, EVENTS), EVENTS + 10**6])
    owner = OrgMember(chance.randint(1, 110), 1)
    if chance.random() < 0.5:
        await notifications.mark_all_seen(owner, None)
    else:
        await notifications.create([owner], NotificationContent("c", "t", None, Priority.NORMAL, None, None))


async def refuses(inbox: InboxStore, marks: MarkStore, member: OrgMember) -> None:
    """What reads back is refused; marks are made, and tell no version."""
    for call in (
        inbox.unread_count(member),
        inbox.page(member, EventQuery(limit=1)),
        inbox.mark_all_read(member, 1),
        inbox.undo_mark_all(member, "1.1.1.{[1,2)}"),
        inbox.readers(1, 1, None, 1),
        marks.mark_read(member, [7], with_state=True),
        marks.mark_unread(member, [7], with_state=True),
    ):
        with pytest.raises(Migrating):
            await call
    first, again = await marks.mark_unread(member, [EVENTS]), await marks.mark_read(member, [EVENTS, EVENTS])
    assert (first.matched, first.version, again.changed, again.version) == (1, 0, 1, 0)
    large = [*range(1, EVENTS + 1), *range(10**6, 10**6 + 2_000)]
    assert (await marks.mark_read(member, large)).matched == EVENTS


async def test_finishing_waits_for_a_mark_without_a_cursor(before: Connection, empty_database_url: str) -> None:
    await before.execute(data.MARKS, 2, 2)
    await migrate(empty_database_url)
    async with pool.connect(load(DatabaseSettings, database_url=empty_database_url)) as database:
        marks, inbox = MarkStore(database, Metrics()), InboxStore(database)

        async def mark_and_wait() -> None:
            await marks._reads._alone(Mark(OrgMember(1, 1), [3]))
            marked.set()
            await go_on.wait()

        marked, go_on = asyncio.Event(), asyncio.Event()
        marking = asyncio.create_task(database.transaction(mark_and_wait, repeatable=False))
        await marked.wait()
        finishing = asyncio.create_task(finish(empty_database_url))
        await until_answered(lambda: before.fetchval(WAITING))
        assert not finishing.done()
        go_on.set()
        await asyncio.gather(marking, finishing)
        assert (await inbox.unread_count(OrgMember(1, 1))).unread == EVENTS - 3


async def test_a_mark_that_waits_for_the_upgrade_to_begin_keeps_a_cursor(
    before: Connection, empty_database_url: str
) -> None:
    await before.execute(data.MARKS, 2, 2)
    await migrate(empty_database_url)
    async with pool.connect(load(DatabaseSettings, database_url=empty_database_url)) as database:
        marks, inbox = MarkStore(database, Metrics()), InboxStore(database)
        async with before.transaction():
            await before.execute("LOCK TABLE read_mark IN SHARE ROW EXCLUSIVE MODE")
            marking = asyncio.create_task(marks.mark_read(OrgMember(1, 1), [3]))
            await until_answered(lambda: before.fetchval(WAITING))
            await before.execute("INSERT INTO migration_phase (name) VALUES ('cursors_kept')")
        assert (await marking).version == 1
        await finish(empty_database_url)
        assert (await inbox.unread_count(OrgMember(1, 1))).unread == EVENTS - 3


@pytest.mark.parametrize("owned", ["read_mark", "notification", "nothing"])
async def test_who_has_nothing_to_upgrade_is_finished_at_once(
    before: Connection, empty_database_url: str, owned: str
) -> None:
    if owned == "read_mark":
        await before.execute(data.MARKS, 1, 1)
    if owned == "notification":
        await before.execute(NOTIFICATIONS)
    await migrate(empty_database_url)
    phases = await before.fetchval("SELECT count(*) FROM migration_phase")
    assert phases == (2 if owned == "nothing" else 0)


@pytest.mark.alone
async def test_the_first_phase_waits_briefly_and_often(before: Connection, empty_database_url: str) -> None:
    other = await asyncpg.connect(empty_database_url)
    try:
        async with before.transaction():
            await before.fetch("SELECT FROM system_event LIMIT 1")
            migrating = asyncio.create_task(migrate(empty_database_url))
            await until_answered(lambda: other.fetchval(WAITING))
            # Queues behind the one that waits, and no longer than that one waits.
            began = time.monotonic()
            await other.fetch("SELECT FROM system_event LIMIT 1")
            assert time.monotonic() - began < 1
            await asyncio.sleep(0.5)
            assert not migrating.done()
        assert "0003_read_cursors" in await migrating
    finally:
        await other.close()


async def valid_indexes(connection: Connection) -> set[str]:
    rows = await connection.fetch(indexes._FIND)
    return {row["name"] for row in rows if row["valid"]} & set(indexes.INDEXES)


async def test_indexes_are_built_anew_after_a_build_that_failed(connection: Connection, database_url: str) -> None:
    await connection.execute("DROP INDEX system_event_type_idx")
    await data.load(connection, events=10)
    # As a build leaves it that is cancelled.
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute("CREATE UNIQUE INDEX CONCURRENTLY system_event_type_idx ON system_event (type)")
    assert await valid_indexes(connection) == {"system_event_occurred_at_idx"}
    await asyncio.gather(*(migrate(database_url) for _ in range(3)))
    assert await valid_indexes(connection) == set(indexes.INDEXES)
    definition = await connection.fetchval("SELECT pg_get_indexdef('system_event_type_idx'::regclass)")
    assert "(org_key, type, seq)" in definition
    await migrate(database_url)


async def test_members_without_marks_get_their_cursor_with_the_first(connection: Connection, database: Any) -> None:
    await MemberStore(database).upsert([NewMember("ada", "acme")])
    await connection.execute("UPDATE event_stream SET last_seq = 7, pruned_seq = 5")
    await connection.execute(
        "INSERT INTO system_event (org_key, seq, event_id, type, title, occurred_at) VALUES (1, 6, 6, '', '', now())"
    )
    marks, inbox = MarkStore(database, Metrics()), InboxStore(database)
    assert (await inbox.unread_count(OrgMember(1, 1))).unread == 2
    assert (await marks.mark_read(OrgMember(1, 1), [6], with_state=True)).state == await inbox.unread_count(
        OrgMember(1, 1)
    )
    assert (await inbox.unread_count(OrgMember(1, 1))).unread == 1
