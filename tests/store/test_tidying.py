"""Cursors stay small: many rows become ranges, too many ranges become rows again."""

from datetime import UTC, datetime

import pytest

from readstate.model import OrgMember
from readstate.store.inbox.store import InboxStore
from readstate.store.marks.store import MarkStore
from readstate.store.pool import Database
from readstate.store.read_cursor.tidy import CursorTidier
from readstate.store.retention.events import EventPruner
from tests.store import data
from tests.store.data import Connection
from tests.store.histories.audit import audit

ADA = OrgMember(1, 1)
EVENTS = 12_000
RANGES = "SELECT count(*) FROM read_cursor c, unnest(c.all_read) WHERE c.member_key = 1"
ROWS = "SELECT count(*) FROM read_mark WHERE member_key = 1"


@pytest.fixture
async def inbox(connection: Connection, database: Database) -> InboxStore:
    await data.load(connection, events=EVENTS, members=2)
    return InboxStore(database)


async def test_who_reads_in_order_keeps_one_range(
    connection: Connection, database: Database, inbox: InboxStore, marks: MarkStore
) -> None:
    await marks.mark_read(ADA, range(1, 5_001))
    await marks.mark_read(ADA, [5_003, 5_005])
    before = await inbox.unread_count(ADA)
    await CursorTidier(database).sweep()

    assert (await connection.fetchval(RANGES), await connection.fetchval(ROWS)) == (1, 2)
    after = await inbox.unread_count(ADA)
    assert (after.unread, after.head) == (before.unread, before.head)
    assert after.version > before.version, "folding is a change of the cursor"
    assert await audit(connection) == []


async def test_no_transaction_folds_more_than_a_thousand_rows(
    connection: Connection, database: Database, inbox: InboxStore, marks: MarkStore
) -> None:
    await marks.mark_read(ADA, range(1, 5_001))
    before = (await inbox.unread_count(ADA)).version
    await CursorTidier(database).sweep()
    # A step begins with the last row of the one before.
    assert (await inbox.unread_count(ADA)).version - before >= 5


async def test_few_rows_keep_their_times(
    connection: Connection, database: Database, inbox: InboxStore, marks: MarkStore
) -> None:
    await marks.mark_read(ADA, range(1, 1_001))
    await CursorTidier(database).sweep()
    assert await connection.fetchval(ROWS) == 1_000


async def test_rows_without_neighbours_stay_and_are_not_tried_again(
    connection: Connection, database: Database, inbox: InboxStore, marks: MarkStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await marks.mark_read(ADA, range(1, 4_001, 2))
    tidier = CursorTidier(database)
    await tidier.sweep()
    assert await connection.fetchval(ROWS) == 2_000
    version = (await inbox.unread_count(ADA)).version

    async def never(*_: object) -> None:
        pytest.fail("folded again")

    monkeypatch.setattr(tidier, "_step", never)
    await tidier.sweep()
    assert (await inbox.unread_count(ADA)).version == version


async def test_a_full_cursor_takes_no_new_range(
    connection: Connection, database: Database, inbox: InboxStore, marks: MarkStore
) -> None:
    # 2,000 pairs of neighbours, and one run that is longer than all.
    pairs = [seq for seq in range(1, 6_001) if seq % 3]
    await marks.mark_read(ADA, [*pairs, *range(10_000, 10_100)])
    await CursorTidier(database).sweep()
    assert 990 <= await connection.fetchval(RANGES) <= 1_000
    assert await audit(connection) == []


async def test_too_many_ranges_become_rows_again_the_shortest_first(
    connection: Connection, database: Database, inbox: InboxStore, marks: MarkStore
) -> None:
    await inbox.mark_all_read(ADA, EVENTS)
    holes = range(2, 6_001, 2)
    await marks.mark_unread(ADA, holes)
    assert await connection.fetchval(RANGES) == 3_001
    before = await inbox.unread_count(ADA)
    await CursorTidier(database).sweep()

    assert await connection.fetchval(RANGES) == 2_000
    assert await connection.fetchval(ROWS) == 1_001
    assert (await inbox.unread_count(ADA)).unread == before.unread == 3_000
    assert await connection.fetchval("SELECT upper(all_read) FROM read_cursor WHERE member_key = 1") == EVENTS + 1
    assert await audit(connection) == []
    # When they were read is not known, although they are rows now.
    readers = (await inbox.readers(1, 1, None, 10)).readers
    assert [reader.read_at for reader in readers] == [None]


async def test_what_is_pruned_is_settled_and_stays_one_range(
    connection: Connection, database: Database, inbox: InboxStore, marks: MarkStore
) -> None:
    await marks.mark_read(ADA, [1, 5, 9_000])
    await connection.execute("UPDATE system_event SET recorded_at = '2000-01-01' WHERE seq <= 8000 OR seq = 9000")
    assert await EventPruner(database).prune(1, datetime(2001, 1, 1, tzinfo=UTC)) == 8_000
    assert await EventPruner(database).prune(1, datetime(2001, 1, 1, tzinfo=UTC)) == 0
    await CursorTidier(database).sweep()
    assert (await connection.fetchval(RANGES), await connection.fetchval(ROWS)) == (1, 1)
    assert (await inbox.unread_count(ADA)).unread == EVENTS - 8_001
    assert (await inbox.unread_count(OrgMember(2, 1))).unread == EVENTS - 8_000
    assert (await marks.mark_read(ADA, [1, 8_001])).matched == 1
    assert await audit(connection) == []
