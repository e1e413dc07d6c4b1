"""Mark-all reads what its caller has been shown, and undo gives exactly that back."""

import asyncio
import itertools

import asyncpg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from readstate.errors import InvalidUndoToken
from readstate.model import EventQuery, NewSystemEvent, OrgMember
from readstate.store.events import EventStore
from readstate.store.inbox.store import InboxStore
from readstate.store.inbox.undo_token import LARGEST, ranges, undo_token
from readstate.store.marks.store import MarkStore
from readstate.store.pool import Database
from readstate.store.recording import LOCK_STREAM, RECORD_EVENTS
from tests.store import data
from tests.store.data import Connection

ADA, GRACE = OrgMember(1, 1), OrgMember(2, 1)
EVENT = NewSystemEvent(None, "t", "", None, None)

sets = st.sets(st.integers(1, 20), min_size=1)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("all"), st.integers(0, 25)),
        st.tuples(st.just("undo"), st.integers(0, 5)),
        st.tuples(st.sampled_from(["read", "unread"]), sets),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
@example(steps=[("read", {5}), ("all", 9), ("unread", {5, 7}), ("read", {7}), ("undo", 0)])
@example(steps=[("all", 9), ("unread", {3}), ("all", 9), ("undo", 0), ("undo", 1)])
async def test_any_order_of_calls_gives_what_set_algebra_gives(
    connection: Connection, database: Database, marks: MarkStore, steps: list[tuple[str, object]]
) -> None:
    await connection.execute(
        "TRUNCATE organization, member, event_stream, system_event, read_mark, read_cursor RESTART IDENTITY"
    )
    await data.load(connection, events=20, members=1)
    inbox = InboxStore(database)
    read: set[int] = set()
    undoable: list[tuple[str, set[int]]] = []
    for what, argument in steps:
        if what == "all":
            assert isinstance(argument, int)
            changes = set(range(1, min(argument, 20) + 1)) - read
            marked = await inbox.mark_all_read(ADA, argument)
            assert (marked.changed, marked.undo_token is None) == (len(changes), not changes)
            read |= changes
            assert marked.unread == 20 - len(read)
            if marked.undo_token is not None:
                undoable.append((marked.undo_token, changes))
        elif what == "undo":
            assert isinstance(argument, int)
            if argument < len(undoable):
                token, changes = undoable[argument]
                undone = await inbox.undo_mark_all(ADA, token)
                assert undone.changed == len(changes & read)
                read -= changes
                assert undone.unread == 20 - len(read)
        else:
            assert isinstance(argument, set)
            act, left = (marks.mark_read, argument - read) if what == "read" else (marks.mark_unread, argument & read)
            assert (await act(ADA, sorted(argument))).changed == len(left)
            read = read | argument if what == "read" else read - argument
        page = await inbox.page(ADA, EventQuery(limit=100))
        assert {event.seq for event in page.events if event.read} == read
        assert page.state.unread == 20 - len(read)


async def test_no_event_is_born_read(connection: Connection, database: Database) -> None:
    await data.load(connection, events=1, members=1)
    inbox, events = InboxStore(database), EventStore(database)
    org_id = "org1"
    born_read: list[int] = []

    async def record() -> None:
        for _ in range(100):
            await events.record(org_id, [EVENT] * 10)

    async def mark_what_is_shown() -> int:
        rounds = 0
        while not all(recorder.done() for recorder in recorders):
            shown = (await inbox.unread_count(ADA)).head
            marked = await inbox.mark_all_read(ADA, shown)
            after = (await inbox.page(ADA, EventQuery(limit=100))).events
            born_read.extend(event.seq for event in after if event.read and event.seq > shown)
            assert marked.undo_token is None or max_of(marked.undo_token) <= shown
            rounds += 1
        return rounds

    recorders = [asyncio.create_task(record()) for _ in range(10)]
    assert await mark_what_is_shown() > 10
    await asyncio.gather(*recorders)
    assert born_read == []
    state = await inbox.unread_count(ADA)
    assert state.head == 10_001
    assert state.unread == len((await inbox.page(ADA, EventQuery(limit=10_001, unread_only=True))).events)


def max_of(token: str) -> int:
    return int(token.rpartition(",")[2].rstrip(")}")) - 1


async def test_what_is_being_recorded_is_not_read(
    connection: Connection, database: Database, database_url: str
) -> None:
    await data.load(connection, events=5, members=1)
    inbox = InboxStore(database)
    recorder = await asyncpg.connect(database_url)
    try:
        async with recorder.transaction():
            await recorder.fetch(LOCK_STREAM, 1)
            columns = [6], ["t"], [""], [None], [None], [None], [None], [None]
            await recorder.fetch(RECORD_EVENTS, 1, *columns, "org1")
            marked = await inbox.mark_all_read(ADA, 10**6)
            assert (marked.changed, marked.unread) == (5, 0)
    finally:
        await recorder.close()
    assert [event.seq for event in (await inbox.page(ADA, EventQuery(limit=9, unread_only=True))).events] == [6]


@pytest.mark.parametrize(
    "query", [{}, {"unread_only": True}, {"types": ("t",)}, {"types": ("t", "u"), "unread_only": True}]
)
async def test_pages_neither_repeat_nor_miss_while_others_record(
    connection: Connection, database: Database, marks: MarkStore, query: dict[str, object]
) -> None:
    await data.load(connection, events=1, members=1)
    inbox, events = InboxStore(database), EventStore(database)
    await events.record("org1", [EVENT] * 400)
    await marks.mark_read(ADA, range(100, 200))
    await inbox.mark_all_read(ADA, 50)

    async def record() -> None:
        for _ in range(40):
            await events.record("org1", [EVENT] * 3)

    recording = asyncio.create_task(record())
    found: list[int] = []
    before: int | None = None
    for _ in itertools.count():
        page = await inbox.page(ADA, EventQuery(limit=7, before=before, **query))  # type: ignore[arg-type]
        found += [event.seq for event in page.events]
        before = page.next_before
        if before is None:
            break
    await recording
    oldest = 2 if "types" in query else 1  # the first is of another type
    read = {*range(1, 51), *range(100, 200)} if query.get("unread_only") else set()
    assert found == [seq for seq in range(found[0], oldest - 1, -1) if seq not in read]


async def test_a_token_is_good_for_one_member_in_one_organisation(connection: Connection, database: Database) -> None:
    await data.load(connection, events=5, members=2)
    inbox = InboxStore(database)
    token = (await inbox.mark_all_read(ADA, 5)).undo_token
    assert token is not None
    for stranger in GRACE, OrgMember(1, 2):
        with pytest.raises(InvalidUndoToken):
            await inbox.undo_mark_all(stranger, token)


@pytest.mark.parametrize(
    "token",
    ["", "1.1.1.", "1.1.1.{}", "1.1.1.{[1,2)", "1.1.1.{[2,2)}", "1.1.1.{[0,2)}", "1.1.1.{[1,2147483648)}",
     "2.1.1.{[1,2)}", "1.1.1.{[1,2)}x", "1.1.1.{[1,2),}", "1.1.1.{[1,\u0663)}",
     "1.1.1.{" + ",".join(["[1,2)"] * 20_000) + "}"],
)  # fmt: skip
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidUndoToken):
        ranges(token, ADA)


def test_a_token_gives_its_ranges_back() -> None:
    assert ranges(undo_token(ADA, "{[1,5),[7,2147483647)}"), ADA) == "{[1,5),[7,2147483647)}"


async def test_a_token_that_would_be_too_large_is_not_given(
    connection: Connection, database: Database, marks: MarkStore
) -> None:
    await data.load(connection, events=20_000, members=1)
    inbox = InboxStore(database)
    await marks.mark_read(ADA, range(2, 20_001, 2))
    marked = await inbox.mark_all_read(ADA, 20_000)
    assert (marked.changed, marked.unread, marked.undo_token) == (10_000, 0, None)
    await marks.mark_unread(ADA, range(2, 4_001, 2))
    again = await inbox.mark_all_read(ADA, 20_000)
    assert again.undo_token is not None
    assert 10_000 < len(again.undo_token) < LARGEST
    assert (await inbox.undo_mark_all(ADA, again.undo_token)).changed == 2_000
