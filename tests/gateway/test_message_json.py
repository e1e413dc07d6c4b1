"""Messages as JSON text: the same bytes as json.dumps of a dict."""

import json
from typing import Any

import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import BoolValue, BytesValue, Int64Value
from hypothesis import given
from hypothesis import strategies as st

from readstate.gateway import notification_json
from readstate.gateway.message_json import message_writer, time
from readstate.v1 import notifications_pb2 as pb
from readstate.v1 import system_events_pb2

TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
# The years 1 to 9999, which a Timestamp may hold.
TIMES = st.builds(
    Timestamp,
    seconds=st.integers(-62_135_596_800, 253_402_300_799) | st.sampled_from([-86_401, -1, 0, 86_399]),
    nanos=st.integers(0, 999_999_999)
    | st.integers(0, 999_999).map(lambda micros: micros * 1_000)
    | st.integers(0, 999).map(lambda millis: millis * 1_000_000),
)
ACTORS = st.builds(
    pb.Actor,
    id=TEXTS,
    type=st.sampled_from(pb.ActorType.values()),
    name=st.none() | TEXTS,
    handle=st.none() | TEXTS,
    avatar_url=st.none() | TEXTS,
)
ENTITIES = st.builds(pb.Entity, id=TEXTS, type=TEXTS, name=st.none() | TEXTS, handle=st.none() | TEXTS)
NOTIFICATIONS = st.builds(
    pb.Notification,
    id=TEXTS,
    category=TEXTS,
    title=TEXTS,
    body=st.none() | TEXTS,
    status=st.sampled_from(pb.NotificationStatus.values()),
    priority=st.sampled_from(pb.NotificationPriority.values()),
    sender=st.none() | ACTORS,
    resource=st.none() | ENTITIES,
    **{f"{name}_at": st.none() | TIMES for name in ("seen", "read", "dismissed", "created", "updated")},
)


def dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def optional(message: Any, name: str) -> Any:
    return getattr(message, name) if message.HasField(name) else None


def actor(message: pb.Actor) -> dict[str, Any]:
    return {
        "id": message.id,
        "object": "actor",
        "type": pb.ActorType.Name(message.type).removeprefix("ACTOR_TYPE_").lower(),
        "name": optional(message, "name"),
        "handle": optional(message, "handle"),
        "avatar_url": optional(message, "avatar_url"),
        "role": None,
    }


def entity(message: pb.Entity) -> dict[str, Any]:
    return {
        "id": message.id,
        "object": "entity",
        "type": message.type,
        "name": optional(message, "name"),
        "handle": optional(message, "handle"),
    }


def notification(message: pb.Notification) -> dict[str, Any]:
    times = ("seen_at", "read_at", "dismissed_at", "created_at", "updated_at")
    return {
        "id": message.id,
        "object": "notification",
        "category": message.category,
        "title": message.title,
        "body": optional(message, "body"),
        "status": pb.NotificationStatus.Name(message.status).removeprefix("NOTIFICATION_STATUS_").lower(),
        "priority": pb.NotificationPriority.Name(message.priority).removeprefix("NOTIFICATION_PRIORITY_").lower(),
        "sender": actor(message.sender) if message.HasField("sender") else None,
        "resource": entity(message.resource) if message.HasField("resource") else None,
        **{name: getattr(message, name).ToJsonString() if message.HasField(name) else None for name in times},
    }


@given(message=NOTIFICATIONS)
def test_a_notification_is_written_as_its_dict_would_be(message: pb.Notification) -> None:
    assert notification_json.notification(message) == dumped(notification(message))


@given(messages=st.lists(NOTIFICATIONS, max_size=3), next_cursor=st.none() | TEXTS)
def test_a_page_is_written_as_its_dict_would_be(messages: list[pb.Notification], next_cursor: str | None) -> None:
    page = pb.ListNotificationsResponse(notifications=messages, next_cursor=next_cursor)
    expected = {"object": "list", "data": [notification(message) for message in messages], "next_cursor": next_cursor}

    assert notification_json.page(page) == dumped(expected)


@given(message=TIMES)
def test_a_time_is_written_as_protobuf_would(message: Timestamp) -> None:
    assert time(message) == dumped(message.ToJsonString())


@given(number=st.integers(-(2**31), 2**31 - 1), other=st.integers(-(2**31), 2**31 - 1))
def test_counts_are_numbers(number: int, other: int) -> None:
    summary = pb.GetUnreadSummaryResponse(unseen_count=number, unread_count=other)
    assert notification_json.summary(summary) == dumped({"unseen_count": number, "unread_count": other})
    marked = pb.MarkAllNotificationsSeenResponse(changed_count=number)
    assert notification_json.marked(marked) == dumped({"changed_count": number})


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (system_events_pb2.RecordSystemEventsResponse(), {"event_ids": []}),
        (system_events_pb2.RecordSystemEventsResponse(event_ids=[7, 2**53 - 1]), {"event_ids": [7, 2**53 - 1]}),
        (Int64Value(), {"value": 0}),
        (BoolValue(), {"value": False}),
        (BoolValue(value=True), {"value": True}),
    ],
)
def test_other_types_of_fields_are_written_too(message: Message, expected: dict[str, Any]) -> None:
    assert message_writer(type(message))(message) == dumped(expected)


@pytest.mark.parametrize("message_type", [BytesValue, pb.GetNotificationResponse])
def test_a_field_that_nothing_writes_is_found_when_the_writer_is_made(message_type: type[Message]) -> None:
    with pytest.raises(KeyError):
        message_writer(message_type)
