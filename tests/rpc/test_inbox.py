"""Reading the read state back: lists, counts, mark-all and its undo."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from grpc import StatusCode

from readstate.client import ReadState
from readstate.errors import (
    IdempotencyKeyReused,
    InvalidRequest,
    InvalidUndoToken,
    MissingScope,
    SystemEventNotFound,
)
from readstate.model import MarkAllResult, MarkResult, Reader, UndoResult, UnreadState
from readstate.v1 import system_events_pb2 as pb
from tests.conftest import ClientFor
from tests.rpc.wire import Wire, failure

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
AUDIT = "system_events:audit"


async def listed(client: ReadState, **chosen: Any) -> list[int]:
    return [event.event_id for event in (await client.list_system_events(**chosen)).events]


# ── Lists ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_list_is_newest_first_and_says_what_is_read(ada: ReadState) -> None:
    await ada.mark_read([49, 47])
    page = await ada.list_system_events(page_size=4)
    assert [(event.event_id, event.seq, event.read) for event in page.events] == [
        (50, 50, False),
        (49, 49, True),
        (48, 48, False),
        (47, 47, True),
    ]
    assert (page.head, page.unread_count, page.org_id) == (50, 48, "acme")
    assert page.version == (await ada.unread_count()).version > 0
    assert not page.HasField("total")


async def test_what_was_recorded_comes_back(ada: ReadState, producer: ReadState) -> None:
    payload = {"text": "é\n", "number": 3, "half": 0.5, "yes": True, "nothing": None, "list": [1, {"a": []}], "": {}}
    await producer.record_system_events(
        "acme",
        [
            {
                "event_id": 99,
                "type": "bucket.created",
                "title": "A bucket",
                "payload": payload,
                "occurred_at": NOON,
                "actor_id": "ada",
                "subject_id": "bucket-1",
                "workspace_id": "eu",
            },
            {"type": "bare"},
        ],
    )
    bare, whole = (await ada.list_system_events(page_size=2)).events
    assert (whole.event_id, whole.seq, whole.type, whole.title) == (99, 51, "bucket.created", "A bucket")
    assert json.loads(whole.payload_json) == payload
    assert whole.occurred_at.ToDatetime(UTC) == NOON
    assert (whole.actor_id, whole.subject_id, whole.workspace_id) == ("ada", "bucket-1", "eu")
    assert (bare.event_id, bare.type, bare.title, bare.read) == (100, "bare", "", False)
    assert bare.occurred_at == bare.recorded_at
    for name in "payload_json", "actor_id", "subject_id", "workspace_id":
        assert whole.HasField(name)
        assert not bare.HasField(name)


@pytest.mark.parametrize("field", ["actor_id", "subject_id", "workspace_id"])
async def test_a_name_that_is_no_good_is_refused_when_it_is_recorded(producer: ReadState, field: str) -> None:
    for value in "", "x" * 256, "a\nb":
        with pytest.raises(InvalidRequest) as raised:
            await producer.record_system_events("acme", [{"type": "good"}, {"type": "bad", field: value}])
        assert raised.value.field == f"events[1].{field}"


async def test_an_empty_organisation_has_an_empty_list(producer: ReadState, client_for: ClientFor) -> None:
    await producer.upsert_members({"zoe": "initech"})
    page = await client_for("zoe").list_system_events(with_total=True)
    assert (list(page.events), page.next_page_token, page.head, page.unread_count) == ([], "", 0, 0)
    assert (page.total, page.org_id) == (0, "initech")


@pytest.fixture
async def told(ada: ReadState, producer: ReadState) -> list[int]:
    """Events of ada's organisation that differ in everything: 101 to 104, an hour apart."""
    types = ("bucket.created", "bucket.deleted", "repo.created", "repo.created")
    events = [
        {
            "event_id": 101 + i,
            "type": kind,
            "actor_id": f"actor-{i % 2}",
            "subject_id": f"subject-{i}",
            "workspace_id": f"workspace-{i // 2}",
            "occurred_at": NOON - timedelta(hours=i),
        }
        for i, kind in enumerate(types)
    ]
    return await producer.record_system_events("acme", events)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"types": ["bucket.created", "repo.created"]}, [104, 103, 101]),
        ({"actor_ids": ["actor-1"]}, [104, 102]),
        ({"subject_ids": ["subject-0", "subject-3", "no such"]}, [104, 101]),
        ({"workspace_ids": ["workspace-0"]}, [102, 101]),
        ({"actor_ids": ["actor-0"], "workspace_ids": ["workspace-0"]}, [101]),
        ({"types": ["bucket"]}, []),
        ({"occurred_from": NOON - timedelta(hours=1), "occurred_before": NOON}, [102]),
        ({"occurred_before": NOON - timedelta(hours=2)}, [104]),
        ({"occurred_from": NOON, "occurred_before": NOON}, []),
    ],
    ids=str,
)
async def test_a_filter_lets_pass_what_it_names(
    ada: ReadState, told: list[int], chosen: dict[str, Any], expected: list[int]
) -> None:
    page = await ada.list_system_events(**chosen, with_total=True, page_size=100)
    named = [event.event_id for event in page.events]
    assert [event_id for event_id in named if event_id in told] == expected
    if "occurred_from" not in chosen:
        assert page.total == len(named)
    assert page.unread_count == 54


async def test_only_what_is_unread_is_listed_and_counted(ada: ReadState) -> None:
    await ada.mark_all_read(45)
    await ada.mark_read([47])
    await ada.mark_unread([3])
    page = await ada.list_system_events(unread_only=True, with_total=True)
    assert [event.event_id for event in page.events] == [50, 49, 48, 46, 3]
    assert page.total == page.unread_count == 5
    assert await listed(ada, unread_only=True, skip=3) == [46, 3]


async def test_pages_follow_each_other_to_the_end(ada: ReadState) -> None:
    assert [event.event_id async for event in ada.system_events()] == [*range(50, 0, -1)]
    found: list[int] = []
    token = ""
    for size in 20, 20, 10:  # the last is just full
        page = await ada.list_system_events(page_size=size, page_token=token, with_total=True)
        found += [event.event_id for event in page.events]
        assert page.total == 50
        token = page.next_page_token
        assert bool(token) == (len(found) < 50)
    assert found == [*range(50, 0, -1)]


async def test_fifty_are_a_page_unless_said_otherwise(ada: ReadState, producer: ReadState) -> None:
    await producer.record_system_events("acme", [{"type": "t"}] * 60)
    assert len(await listed(ada, page_size=0)) == 50
    assert len(await listed(ada, page_size=100)) == 100


async def test_pages_neither_repeat_nor_miss_an_event_while_others_are_recorded(
    ada: ReadState, producer: ReadState
) -> None:
    done = asyncio.Event()

    async def produce() -> None:
        while not done.is_set():
            await producer.record_system_events("acme", [{"type": "t"}] * 5)

    recording = asyncio.create_task(produce())
    for _ in range(3):
        token = ""
        met: list[int] = []
        while token or not met:
            page = await ada.list_system_events(page_size=7, page_token=token)
            met += [event.seq for event in page.events]
            token = page.next_page_token
        assert met == [*range(met[0], 0, -1)]
    done.set()
    await recording


async def test_a_list_by_time_is_reached_by_skipping(ada: ReadState, told: list[int], wire: Wire) -> None:
    async def by_time(**fields: Any) -> pb.ListSystemEventsResponse:
        request = pb.ListSystemEventsRequest(order=pb.SYSTEM_EVENT_ORDER_OCCURRED_AT, subject_ids=[], **fields)
        reply = await wire.call("SystemEventService/ListSystemEvents", request, wire.bearer("ada"))
        return pb.ListSystemEventsResponse.FromString(reply)

    page = await by_time(occurred_before=NOON + timedelta(minutes=1), page_size=3, with_total=True)
    assert [event.event_id for event in page.events] == [101, 102, 103]
    assert (page.total, page.next_page_token) == (4, "")
    page = await by_time(occurred_before=NOON + timedelta(minutes=1), page_size=3, skip=3)
    assert [event.event_id for event in page.events] == [104]


async def test_skipping_starts_where_the_page_begins(ada: ReadState) -> None:
    first = await ada.list_system_events(page_size=10, skip=5)
    assert [event.event_id for event in first.events] == [*range(45, 35, -1)]
    assert await listed(ada, page_size=2, page_token=first.next_page_token) == [35, 34]
    assert await listed(ada, page_size=2, page_token=first.next_page_token, skip=3) == [32, 31]
    assert await listed(ada, skip=10_000) == []


async def test_a_page_of_large_events_ends_early_and_names_the_next(ada: ReadState, producer: ReadState) -> None:
    large = [{"type": "large", "payload": {"text": "x" * 65_000}}]
    for _ in range(70):
        await producer.record_system_events("acme", large)
    pages: list[int] = []
    token = ""
    while token or not pages:
        page = await ada.list_system_events(types=["large"], page_size=100, page_token=token)
        assert page.ByteSize() < 2 << 20
        pages.append(len(page.events))
        token = page.next_page_token
    assert pages == [32, 32, 6]


# ── Counts ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_count_follows_marks_and_records(ada: ReadState, grace: ReadState, producer: ReadState) -> None:
    first = await ada.unread_count()
    assert (first.unread, first.head) == (50, 50)
    await ada.mark_read([1, 2, 3])
    await ada.mark_unread([3])
    marked = await ada.unread_count()
    assert (marked.unread, marked.head) == (48, 50)
    assert marked.version > first.version
    await producer.record_system_events("acme", [{"type": "t"}])
    assert await ada.unread_count() == UnreadState(unread=49, head=51, version=marked.version)
    assert (await grace.unread_count()).unread == 51


async def test_a_mark_tells_what_is_left_if_asked(ada: ReadState) -> None:
    bare = await ada.mark_read([1, 2, 60])
    assert (bare, bare.state) == (MarkResult(changed=2, matched=2), None)
    assert bare.version == (await ada.unread_count()).version

    read = await ada.mark_read([2, 3], with_state=True)
    assert (read.changed, read.matched) == (1, 2)
    assert read.state == await ada.unread_count() == UnreadState(unread=47, head=50, version=read.version)
    assert read.version > bare.version

    unread = await ada.mark_unread([1, 60], with_state=True)
    assert (unread.changed, unread.matched) == (1, 1)
    assert unread.state == UnreadState(unread=48, head=50, version=unread.version)
    assert unread.version > read.version


async def test_a_mark_that_changes_or_matches_nothing_tells_the_state_too(ada: ReadState) -> None:
    version = (await ada.mark_read([1])).version
    for again in await ada.mark_read([1], with_state=True), await ada.mark_unread([2, 4711], with_state=True):
        assert again.state == UnreadState(unread=49, head=50, version=version)
    for ids in [60], [4711]:
        assert (await ada.mark_read(ids)).version == version
        assert (await ada.mark_read(ids, with_state=True)).state == UnreadState(unread=49, head=50, version=version)


async def test_without_an_organisation_marking_unread_tells_zeros(carol: ReadState, wire: Wire) -> None:
    assert await carol.mark_unread([1], with_state=True) == MarkResult(0, 0, 0, UnreadState(0, 0, 0))
    assert (await carol.mark_unread([1])).state is None


# ── Mark-all ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_marking_all_marks_up_to_what_was_shown(ada: ReadState, producer: ReadState) -> None:
    await ada.mark_read([1, 50])
    head = (await ada.unread_count()).head
    await producer.record_system_events("acme", [{"type": "later"}])
    result = await ada.mark_all_read(head)
    assert (result.changed, result.unread) == (48, 1)
    assert await ada.unread_count() == UnreadState(unread=1, head=51, version=result.version)
    assert await listed(ada, unread_only=True) == [51]


@pytest.mark.parametrize("up_to", [51, 2**31, 2**63 - 1])
async def test_what_has_not_been_recorded_is_never_marked(ada: ReadState, producer: ReadState, up_to: int) -> None:
    assert (await ada.mark_all_read(up_to)).changed == 50
    await producer.record_system_events("acme", [{"type": "later"}])
    assert (await ada.unread_count()).unread == 1


async def test_nothing_is_below_zero(ada: ReadState) -> None:
    assert await ada.mark_all_read(0) == MarkAllResult(changed=0, unread=50, version=0, undo_token=None)


async def test_marking_all_again_changes_nothing_and_has_nothing_to_undo(ada: ReadState) -> None:
    first = await ada.mark_all_read(50)
    assert await ada.mark_all_read(50) == MarkAllResult(0, 0, first.version, None)


async def test_how_far_has_to_be_said(ada: ReadState, wire: Wire) -> None:
    for request, message in (
        (pb.MarkAllReadRequest(), "is required: a seq that a reply has shown, an event's or head"),
        (pb.MarkAllReadRequest(up_to=-1), "must be 0 or more"),
    ):
        found = await failure(wire.call("SystemEventService/MarkAllRead", request, wire.bearer("ada")))
        assert (found.code, found.violations) == (StatusCode.INVALID_ARGUMENT, (("up_to", message),))
    assert (await ada.unread_count()).unread == 50


async def test_undoing_makes_unread_what_the_mark_all_changed(ada: ReadState) -> None:
    await ada.mark_read([3, 20])
    token = (await ada.mark_all_read(10)).undo_token
    assert token
    await ada.mark_unread([5])
    await ada.mark_read([30])
    undone = await ada.undo_mark_all_read(token)
    assert (undone.changed, undone.unread) == (8, 47)
    assert await listed(ada, unread_only=True, page_size=100) == [
        event_id for event_id in range(50, 0, -1) if event_id not in (3, 20, 30)
    ]
    assert await ada.undo_mark_all_read(token) == UndoResult(changed=0, unread=47, version=undone.version)


async def test_with_a_key_a_retry_keeps_its_token(ada: ReadState) -> None:
    first = await ada.mark_all_read(50, idempotency_key="all")
    again = await ada.mark_all_read(50, idempotency_key="all")
    assert again == first
    assert first.undo_token
    assert (await ada.mark_all_read(50)).undo_token is None
    with pytest.raises(IdempotencyKeyReused):
        await ada.mark_all_read(49, idempotency_key="all")

    undone = await ada.undo_mark_all_read(first.undo_token, idempotency_key="undo")
    assert undone.changed == 50
    assert await ada.undo_mark_all_read(first.undo_token, idempotency_key="undo") == undone


async def test_a_token_of_somebody_else_or_of_elsewhere_is_refused(
    ada: ReadState, grace: ReadState, bob: ReadState, producer: ReadState
) -> None:
    token = (await ada.mark_all_read(50)).undo_token
    assert token
    await grace.mark_all_read(50)
    await bob.mark_all_read(50)
    for other in grace, bob:
        with pytest.raises(InvalidUndoToken):
            await other.undo_mark_all_read(token)
        assert (await other.unread_count()).unread == 0
    await producer.upsert_members({"ada": "globex"})
    with pytest.raises(InvalidUndoToken):
        await ada.undo_mark_all_read(token)


@pytest.mark.parametrize("token", ["", "x", "1.1.1.{}", "é", "\0", "1.1.1.{[1,5)}x", "x" * 100_000], ids=ascii)
async def test_what_is_no_token_is_refused_before_the_key_is_judged(ada: ReadState, wire: Wire, token: str) -> None:
    metadata = (*wire.bearer("ada"), ("idempotency-key", ""))
    request = pb.UndoMarkAllReadRequest(undo_token=token)
    found = await failure(wire.call("SystemEventService/UndoMarkAllRead", request, metadata))
    assert (found.code, found.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID_UNDO_TOKEN")
    assert [field for field, _ in found.violations] == ["undo_token"]


# ── Readers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def readers(client: ReadState, event_id: int) -> dict[str, datetime | None]:
    return {reader.user_id: reader.read_at async for reader in client.readers(event_id)}


async def test_readers_are_told_with_the_time_where_it_is_known(
    ada: ReadState, grace: ReadState, client_for: ClientFor
) -> None:
    auditor = client_for("ada", scope=AUDIT)
    assert await readers(auditor, 7) == {}
    before = datetime.now(UTC) - timedelta(seconds=5)
    await ada.mark_read([7])
    await grace.mark_all_read(10)
    found = await readers(auditor, 7)
    assert found.keys() == {"ada", "grace"}
    assert found["ada"]
    assert before < found["ada"] < datetime.now(UTC) + timedelta(seconds=5)
    assert found["grace"] is None
    assert [reader async for reader in auditor.readers(8)] == [Reader("grace", None)]


async def test_only_present_members_are_readers(
    ada: ReadState, grace: ReadState, producer: ReadState, client_for: ClientFor
) -> None:
    await ada.mark_read([7])
    await grace.mark_read([7])
    await producer.remove_members(["grace"])
    assert (await readers(client_for("ada", scope=AUDIT), 7)).keys() == {"ada"}


async def test_pages_of_readers_follow_each_other(
    ada: ReadState, producer: ReadState, client_for: ClientFor, wire: Wire
) -> None:
    users = [f"user-{i}" for i in range(7)]
    await producer.upsert_members(dict.fromkeys(users, "acme"))
    for user in users:
        await client_for(user).mark_read([7])
    found: list[str] = []
    token = ""
    while token or not found:
        request = pb.ListReadersRequest(event_id=7, page_size=3, page_token=token)
        reply = await wire.call("SystemEventService/ListReaders", request, wire.bearer("ada", scope=AUDIT))
        page = pb.ListReadersResponse.FromString(reply)
        assert len(page.readers) <= 3
        found += [reader.user_id for reader in page.readers]
        token = page.next_page_token
    assert sorted(found) == users


async def test_readers_need_a_scope(ada: ReadState) -> None:
    with pytest.raises(MissingScope):
        await readers(ada, 7)


async def test_an_event_of_others_and_one_of_nobody_are_not_found_in_the_same_words(
    ada: ReadState, bob: ReadState, wire: Wire
) -> None:
    await bob.mark_read([60])
    metadata = (*wire.bearer("ada", scope=AUDIT), ("x-request-id", "same"))
    found = {
        await failure(wire.call("SystemEventService/ListReaders", pb.ListReadersRequest(event_id=event_id), metadata))
        for event_id in (60, 4711, 0, -1, 2**63 - 1)
    }
    assert len(found) == 1
    only = found.pop()
    assert (only.code, only.reason) == (StatusCode.NOT_FOUND, "SYSTEM_EVENT_NOT_FOUND")


async def test_the_client_raises_what_is_not_found(ada: ReadState, client_for: ClientFor) -> None:
    with pytest.raises(SystemEventNotFound):
        await readers(client_for("ada", scope=AUDIT), 60)


# ── Who is new ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_who_is_placed_finds_all_unread_unless_the_upsert_says_otherwise(
    ada: ReadState, producer: ReadState, client_for: ClientFor
) -> None:
    await producer.upsert_members({"unread": "acme"})
    await producer.upsert_members({"read": "acme"}, start_read=True)
    assert (await client_for("unread").unread_count()).unread == 50
    assert (await client_for("read").unread_count()).unread == 0
    await producer.record_system_events("acme", [{"type": "later"}])
    # Repeated, also the other way round, it changes nothing.
    await producer.upsert_members({"read": "acme", "unread": "acme"}, start_read=True)
    assert (await client_for("unread").unread_count()).unread == 51
    assert (await client_for("read").unread_count()).unread == 1


async def test_who_returns_finds_what_they_left(ada: ReadState, producer: ReadState) -> None:
    await ada.mark_read([1, 2])
    await producer.upsert_members({"ada": "globex"}, start_read=True)
    assert (await ada.unread_count()).unread == 0
    await producer.upsert_members({"ada": "acme"}, start_read=True)
    assert (await ada.unread_count()).unread == 48
