"""Requests of NotificationService, field by field."""

import json
from typing import Any

import pytest

from readstate.errors import InvalidRequest
from readstate.model import NotificationContent, NotificationQuery, Priority, Status
from readstate.rpc.notifications.convert import include, new_content, query
from readstate.rpc.page_token import cursor, position
from readstate.v1 import notifications_pb2 as pb


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("category", {"category": ""}),
        ("category", {"category": "c" * 256}),
        ("title", {"title": ""}),
        ("title", {"title": "t" * 1_001}),
        ("title", {"title": "\0"}),
        ("body", {"body": "b" * 2_001}),
        ("body", {"body": "\0"}),
        ("priority", {"priority": 9}),
        ("sender.type", {"sender": {"id": "a"}}),
        ("sender.type", {"sender": {"id": "a", "type": 9}}),
        ("sender.id", {"sender": {"type": pb.ACTOR_TYPE_USER}}),
        ("sender.name", {"sender": {"id": "a", "type": pb.ACTOR_TYPE_USER, "name": ""}}),
        ("sender.handle", {"sender": {"id": "a", "type": pb.ACTOR_TYPE_AGENT, "handle": "h"}}),
        ("sender.handle", {"sender": {"id": "a", "type": pb.ACTOR_TYPE_GROUP, "handle": "h"}}),
        ("sender.avatar_url", {"sender": {"id": "a", "type": pb.ACTOR_TYPE_API_KEY, "avatar_url": "u"}}),
        ("sender.avatar_url", {"sender": {"id": "a", "type": pb.ACTOR_TYPE_USER, "avatar_url": "u" * 2_049}}),
        ("resource.id", {"resource": {"type": "order"}}),
        ("resource.type", {"resource": {"id": "o"}}),
        ("resource.handle", {"resource": {"id": "o", "type": "order", "handle": "\0"}}),
    ],
)
def test_a_field_that_breaks_a_rule_is_named(field: str, fields: dict[str, Any]) -> None:
    sound = {"category": "chat.message", "title": "Hello"}

    with pytest.raises(InvalidRequest) as raised:
        new_content(pb.CreateNotificationsRequest(**{**sound, **fields}))

    assert raised.value.field == field


def test_the_longest_texts_are_taken() -> None:
    longest: dict[str, Any] = {"category": "c" * 255, "title": "t" * 1_000, "body": "b" * 2_000}
    sender: dict[str, Any] = {"id": "a" * 255, "type": pb.ACTOR_TYPE_USER, "avatar_url": "u" * 2_048}

    stored = new_content(pb.CreateNotificationsRequest(**longest, sender=sender)).sender
    assert json.loads(stored or "") == {
        "id": "a" * 255,
        "type": "user",
        "name": None,
        "handle": None,
        "avatar_url": "u" * 2_048,
    }


def test_what_is_left_out_has_its_default() -> None:
    request = pb.CreateNotificationsRequest(category="chat.message", title="Hello")

    assert new_content(request) == NotificationContent("chat.message", "Hello", None, Priority.NORMAL, None, None)
    assert query(pb.ListNotificationsRequest()) == NotificationQuery(None, None, None, 50)


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("status", {"status": 9}),
        ("category", {"category": ""}),
        ("limit", {"limit": 0}),
        ("limit", {"limit": 101}),
        ("limit", {"limit": -1}),
        ("cursor", {"cursor": ""}),
        ("cursor", {"cursor": "x"}),
        ("cursor", {"cursor": "_" * 12}),
        ("cursor", {"cursor": "\0é"}),
    ],
)
def test_a_filter_that_breaks_a_rule_is_named(field: str, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as raised:
        query(pb.ListNotificationsRequest(**fields))

    assert raised.value.field == field


def test_every_filter_is_taken() -> None:
    request = pb.ListNotificationsRequest(
        status=pb.NOTIFICATION_STATUS_READ, category="order.updated", cursor=cursor(7), limit=100
    )
    assert query(request) == NotificationQuery(Status.READ, "order.updated", 7, 100)


@pytest.mark.parametrize("at", [0, 1, 2**62, 2**63 - 1])
def test_a_cursor_leads_back_to_its_position(at: int) -> None:
    assert position(cursor(at), "cursor") == at


def test_only_what_a_notification_refers_to_can_be_included() -> None:
    assert include([]) == frozenset()
    assert include(["resource", "sender", "sender"]) == {"sender", "resource"}
    with pytest.raises(InvalidRequest) as raised:
        include(["sender", ""])
    assert raised.value.field == "include"
