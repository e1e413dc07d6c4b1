"""RecordSystemEvents: ids, order, and what an event may hold."""

import json
import math
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from readstate.client import ReadState
from readstate.errors import EventIdsExhausted, InvalidRequest, MalformedRequest, MissingScope
from readstate.model import MarkResult
from readstate.v1.system_events_pb2 import NewSystemEvent
from tests.conftest import ClientFor

LARGEST = 2**53 - 1


def events(*event_ids: int | None) -> list[dict[str, Any]]:
    return [{"type": "t"} | ({} if event_id is None else {"event_id": event_id}) for event_id in event_ids]


async def stored(database_url: str) -> list[tuple[int, int, str]]:
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch("SELECT seq, event_id, title FROM system_event ORDER BY org_key, seq")
    await connection.close()
    return [tuple(row) for row in rows]


async def test_ids_are_assigned_in_list_order(producer: ReadState) -> None:
    assert await producer.record_system_events("acme", events(None, None)) == [1, 2]
    assert await producer.record_system_events("acme", events(None)) == [3]


async def test_each_organisation_counts_for_itself(producer: ReadState) -> None:
    await producer.record_system_events("acme", events(None, None))
    assert await producer.record_system_events("globex", events(None)) == [1]


async def test_an_id_that_is_brought_is_kept(producer: ReadState) -> None:
    assert await producer.record_system_events("acme", events(42, 7)) == [42, 7]


async def test_ids_brought_are_reserved_before_others_are_assigned(producer: ReadState, database_url: str) -> None:
    assert await producer.record_system_events("acme", events(None, 5, None, 3)) == [6, 5, 7, 3]
    assert [(seq, event_id) for seq, event_id, _ in await stored(database_url)] == [(1, 6), (2, 5), (3, 7), (4, 3)]


async def test_assigned_ids_are_above_the_largest_of_the_organisation(producer: ReadState) -> None:
    await producer.record_system_events("acme", events(100))
    assert await producer.record_system_events("acme", events(50, None)) == [50, 101]


async def test_recording_an_id_again_changes_nothing_and_returns_it(producer: ReadState, database_url: str) -> None:
    await producer.record_system_events("acme", [{"event_id": 1, "type": "t", "title": "first"}])
    again = [{"event_id": 1, "type": "t", "title": "second"}, {"event_id": 2, "type": "t", "title": "new"}]
    assert await producer.record_system_events("acme", again) == [1, 2]
    assert await stored(database_url) == [(1, 1, "first"), (2, 2, "new")]


async def test_an_id_twice_in_one_call_is_one_event_and_its_first_mention(
    producer: ReadState, database_url: str
) -> None:
    twice = [{"event_id": 9, "type": "t", "title": title} for title in ("first", "second")]
    assert await producer.record_system_events("acme", twice) == [9, 9]
    assert await stored(database_url) == [(1, 9, "first")]


async def test_the_largest_id_can_be_brought_but_nothing_assigned_above_it(producer: ReadState) -> None:
    assert await producer.record_system_events("acme", events(LARGEST)) == [LARGEST]
    assert await producer.record_system_events("acme", events(LARGEST, 1)) == [LARGEST, 1]
    with pytest.raises(EventIdsExhausted):
        await producer.record_system_events("acme", events(None))
    with pytest.raises(EventIdsExhausted):
        await producer.record_system_events("globex", events(None, LARGEST))


async def test_an_event_keeps_what_it_says(producer: ReadState, database_url: str) -> None:
    at = datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=UTC)
    payload = {"a": [1, 2.5, "x", None, True, {"b": {}}], "": "empty key", "ü": "\x7f\u2028\U0001f600"}
    event = {"type": "t", "title": "Zeile\nzwei \U0001f600", "payload": payload, "occurred_at": at}
    await producer.record_system_events("acme", [event])
    connection = await asyncpg.connect(database_url)
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=str, decoder=json.loads)
    row = await connection.fetchrow("SELECT type, title, payload, occurred_at FROM system_event")
    assert row is not None
    assert dict(row) == event
    await connection.close()


async def test_an_event_without_a_time_happened_when_it_was_recorded(producer: ReadState, database_url: str) -> None:
    await producer.record_system_events("acme", events(None))
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT occurred_at = recorded_at AND payload IS NULL FROM system_event")
    await connection.close()


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"event_id": 0}, "event_id"),
    ({"event_id": -1}, "event_id"),
    ({"event_id": LARGEST + 1}, "event_id"),
    ({"type": ""}, "type"),
    ({"type": "x" * 256}, "type"),
    ({"type": "a\0b"}, "type"),
    ({"type": "a\x85b"}, "type"),
    ({"title": "x" * 1001}, "title"),
    ({"title": "a\0b"}, "title"),
    ({"payload": {"a": math.nan}}, "payload"),
    ({"payload": {"a": [{"b": -math.inf}]}}, "payload"),
    ({"payload": {"a\0": 1}}, "payload"),
    ({"payload": {"a": {"b": ["c\0"]}}}, "payload"),
    ({"payload": {"a": "x" * 65_536}}, "payload"),
    ({"occurred_at": {"seconds": 253402300800}}, "occurred_at"),
    ({"occurred_at": {"seconds": -62135596801}}, "occurred_at"),
    ({"occurred_at": {"seconds": 2**63 - 1}}, "occurred_at"),
    ({"occurred_at": {"nanos": -1}}, "occurred_at"),
    ({"occurred_at": {"nanos": 1_000_000_000}}, "occurred_at"),
]
TAKEN: list[dict[str, Any]] = [
    {"type": "x" * 255, "title": "x" * 1000},
    {"type": "\U0001f600" * 255, "title": ""},
    {"payload": {}},
    {"payload": {"a": "x" * 65_000}},
    {"payload": {"a": 1.7976931348623157e308, "b": 5e-324, "c": -0.0, "d": 1e22}},
    {"payload": {"a\x01": "\x01\x7f"}},
    {"payload": NewSystemEvent(payload={"a": None}).payload},
    {"occurred_at": {"seconds": -62135596800}},
    {"occurred_at": {"seconds": 253402300799, "nanos": 999_999_999}},
]


async def test_what_cannot_be_held_is_refused_by_the_path_of_its_field(
    producer: ReadState, subtests: pytest.Subtests
) -> None:
    for event, field in REFUSED:
        with subtests.test(event=str(event)[:50]):
            with pytest.raises(InvalidRequest) as raised:
                await producer.record_system_events("acme", [{"type": "fine"}, {"type": "t"} | event])
            assert raised.value.field == f"events[1].{field}"


async def test_the_last_value_that_can_be_held_is_taken(producer: ReadState, subtests: pytest.Subtests) -> None:
    for i, event in enumerate(TAKEN, start=1):
        with subtests.test(event=str(event)[:50]):
            assert await producer.record_system_events("acme", [{"type": "t"} | event]) == [i]


async def test_a_payload_is_kept_with_thirty_levels_and_refused_with_a_hundred(producer: ReadState) -> None:
    # Each level takes three of the hundred that protobuf's parsers allow.
    for levels in range(30):
        await producer.record_system_events("acme", [{"type": "t", "payload": nested(levels)}])
    with pytest.raises(MalformedRequest):
        await producer.record_system_events("acme", [{"type": "t", "payload": nested(100)}])


def nested(levels: int) -> dict[str, Any]:
    return {"a": nested(levels - 1)} if levels else {}


async def test_an_organisation_that_cannot_be_one_is_refused(producer: ReadState) -> None:
    for org_id in "", "x" * 256, "a\nb", "a\0":
        with pytest.raises(InvalidRequest) as raised:
            await producer.record_system_events(org_id, events(None))
        assert raised.value.field == "org_id"


async def test_one_to_ten_thousand_events_are_taken(producer: ReadState) -> None:
    for refused in [], events(None) * 10_001:
        with pytest.raises(InvalidRequest) as raised:
            await producer.record_system_events("acme", refused)
        assert raised.value.field == "events"
    assert await producer.record_system_events("acme", events(None) * 10_000) == list(range(1, 10_001))


async def test_one_bad_event_keeps_all_others_out(producer: ReadState, database_url: str) -> None:
    with pytest.raises(InvalidRequest):
        await producer.record_system_events("acme", [{"type": "t"}, {"type": ""}])
    assert await stored(database_url) == []


async def test_it_needs_its_scope_and_no_membership(ada: ReadState, client_for: ClientFor) -> None:
    for other in ada, client_for("x", scope="directory:write system_events:writer SYSTEM_EVENTS:WRITE"):
        with pytest.raises(MissingScope, match="system_events:write"):
            await other.record_system_events("acme", events(None))
    member = client_for("ada", scope="other system_events:write")
    assert await member.record_system_events("globex", events(None)) == [101]


async def test_what_is_recorded_can_be_read_at_once(ada: ReadState, producer: ReadState) -> None:
    assert await ada.mark_read([1000]) == MarkResult(changed=0, matched=0)
    await producer.record_system_events("acme", events(1000))
    assert await ada.mark_read([1000]) == MarkResult(changed=1, matched=1)
