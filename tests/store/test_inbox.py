"""Reading back: counts, lists, mark-all and undo."""

import pytest

from readstate.errors import InvalidUndoToken, SystemEventNotFound
from readstate.model import EventQuery, MarkAllResult, MarkResult, OrgMember, Reader, UndoResult, UnreadState
from readstate.store.inbox.store import InboxStore
from readstate.store.marks.store import MarkStore
from readstate.store.pool import Database
from tests.store import data
from tests.store.data import Connection

ADA, GRACE = OrgMember(1, 1), OrgMember(2, 1)


@pytest.fixture
async def inbox(connection: Connection, database: Database) -> InboxStore:
    """Organisation 1 with ten events, ada and grace."""
    await data.load(connection, events=10, members=2)
    return InboxStore(database)


async def seqs(inbox: InboxStore, member: OrgMember, **query: object) -> list[int]:
    page = await inbox.page(member, EventQuery(**({"limit": 100} | query)))  # type: ignore[arg-type]
    return [event.seq for event in page.events]


async def test_everything_is_unread_at_first(inbox: InboxStore) -> None:
    assert await inbox.unread_count(ADA) == UnreadState(unread=10, head=10, version=0)


async def test_a_mark_tells_the_version_and_the_state_after_it(inbox: InboxStore, marks: MarkStore) -> None:
    assert await marks.mark_read(ADA, [3, 4, 99]) == MarkResult(changed=2, matched=2, version=1)
    assert await marks.mark_read(ADA, [4, 5], with_state=True) == MarkResult(1, 2, 2, UnreadState(7, 10, 2))
    assert await marks.mark_read(ADA, [99]) == MarkResult(changed=0, matched=0, version=2)
    assert await marks.mark_unread(ADA, [4], with_state=True) == MarkResult(1, 1, 3, UnreadState(8, 10, 3))
    assert await inbox.unread_count(GRACE) == UnreadState(10, 10, 0)


async def test_mark_all_and_undo(inbox: InboxStore, marks: MarkStore) -> None:
    await marks.mark_read(ADA, [2, 9])
    done = await inbox.mark_all_read(ADA, 7)
    assert done == MarkAllResult(changed=6, unread=2, version=2, undo_token=done.undo_token)
    assert await marks.mark_unread(ADA, [5, 8]) == MarkResult(1, 2, 3)
    assert await marks.mark_read(ADA, [4]) == MarkResult(0, 1, 3)
    assert done.undo_token is not None
    assert await inbox.undo_mark_all(ADA, done.undo_token) == UndoResult(changed=5, unread=8, version=4)
    assert await seqs(inbox, ADA, unread_only=True) == [10, 8, 7, 6, 5, 4, 3, 1]
    with pytest.raises(InvalidUndoToken):
        await inbox.undo_mark_all(GRACE, done.undo_token)


async def test_a_mark_all_that_changes_nothing_gives_no_token(inbox: InboxStore) -> None:
    assert await inbox.mark_all_read(ADA, 0) == MarkAllResult(0, 10, 0, None)
    await inbox.mark_all_read(ADA, 2**62)
    assert await inbox.mark_all_read(ADA, 10) == MarkAllResult(0, 0, 1, None)


async def test_pages(inbox: InboxStore, marks: MarkStore) -> None:
    await marks.mark_read(ADA, [10, 8])
    page = await inbox.page(ADA, EventQuery(limit=4, with_total=True))
    assert [(event.seq, event.read) for event in page.events] == [(10, True), (9, False), (8, True), (7, False)]
    assert (page.next_before, page.state, page.total) == (7, UnreadState(8, 10, 1), 10)
    assert await seqs(inbox, ADA, before=7, skip=2) == [4, 3, 2, 1]
    assert await seqs(inbox, ADA, limit=2, order="occurred_at", unread_only=True) == [9, 7]


async def test_readers(inbox: InboxStore, marks: MarkStore) -> None:
    await marks.mark_read(ADA, [3])
    await inbox.mark_all_read(GRACE, 3)
    page = await inbox.readers(1, 3, None, 10)
    assert [reader.user_id for reader in page.readers] == ["user1", "user2"]
    assert page.readers[0].read_at is not None
    assert page.readers[1] == Reader("user2", None)
    assert page.next_after is None
    first = await inbox.readers(1, 3, None, 1)
    assert [reader.user_id for reader in first.readers] == ["user1"]
    assert (await inbox.readers(1, 3, first.next_after, 1)).readers == [Reader("user2", None)]
    with pytest.raises(SystemEventNotFound):
        await inbox.readers(2, 99, None, 1)
