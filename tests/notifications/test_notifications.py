"""NotificationService from outside: what is created, found, listed and acted on."""

import re
from typing import Any

import grpc
import pytest

from readstate.v1 import notifications_pb2 as pb
from tests.notifications.conftest import Caller, CallerFor

SENDER: dict[str, Any] = {
    "id": "user_1",
    "type": pb.ACTOR_TYPE_USER,
    "name": "Grace",
    "handle": "grace@acme.example",
    "avatar_url": "https://acme.example/grace.png",
}
RESOURCE = {"id": "ord_7", "type": "order", "name": "Order 7", "handle": "SO-7"}
ACTIONS = ("MarkNotificationSeen", "MarkNotificationRead", "DismissNotification")


async def test_the_recipient_finds_what_was_created(ada: Caller, messenger: Caller) -> None:
    (notification_id,) = await messenger.notify("ada", body="More", sender=SENDER, resource=RESOURCE)

    found = (await ada.call("GetNotification", id=notification_id, include=["sender", "resource"])).notification

    assert re.fullmatch("nf_[a-z0-9]{12}", notification_id)
    assert (found.id, found.category, found.title, found.body) == (notification_id, "chat.message", "Hello", "More")
    assert found.status == pb.NOTIFICATION_STATUS_UNSEEN
    assert found.priority == pb.NOTIFICATION_PRIORITY_NORMAL
    assert found.sender == pb.Actor(**SENDER)
    assert found.resource == pb.Entity(**RESOURCE)
    assert found.created_at == found.updated_at
    assert not any(found.HasField(name) for name in ("seen_at", "read_at", "dismissed_at"))


@pytest.mark.parametrize("include", [[], ["sender"], ["resource"], ["resource", "sender", "sender"]])
async def test_a_reply_holds_what_it_was_asked_to_include(ada: Caller, messenger: Caller, include: list[str]) -> None:
    (notification_id,) = await messenger.notify("ada", sender=SENDER, resource=RESOURCE)

    for method in ("GetNotification", *ACTIONS):
        found = (await ada.call(method, id=notification_id, include=include)).notification
        assert {name for name in ("sender", "resource") if found.HasField(name)} == set(include)
    (listed,) = (await ada.call("ListNotifications", status=4, include=include)).notifications
    assert {name for name in ("sender", "resource") if listed.HasField(name)} == set(include)


async def test_what_was_left_out_stays_absent(ada: Caller, messenger: Caller) -> None:
    (notification_id,) = await messenger.notify("ada", sender={"id": "agent_1", "type": pb.ACTOR_TYPE_AGENT})

    found = (await ada.call("GetNotification", id=notification_id, include=["sender", "resource"])).notification

    assert not found.HasField("body")
    assert not found.HasField("resource")
    assert found.sender == pb.Actor(id="agent_1", type=pb.ACTOR_TYPE_AGENT)


async def test_users_who_are_no_members_are_reported(ada: Caller, messenger: Caller) -> None:
    response = await messenger.call(
        "CreateNotifications",
        org_id="acme",
        user_ids=["nobody", "grace", "bob", "ada", "carol", "grace", "nobody"],
        category="chat.message",
        title="Hello",
    )

    assert list(response.unknown_user_ids) == ["nobody", "bob", "carol"]
    assert len(response.ids) == 2
    assert (await ada.call("GetNotification", id=response.ids[1])).notification.id == response.ids[1]


async def test_an_organisation_that_nobody_has_named_has_no_members(members: None, messenger: Caller) -> None:
    response = await messenger.call(
        "CreateNotifications", org_id="initech", user_ids=["ada"], category="chat.message", title="Hello"
    )
    assert (list(response.ids), list(response.unknown_user_ids)) == ([], ["ada"])


async def test_a_field_that_breaks_a_rule_is_named(ada: Caller, messenger: Caller) -> None:
    error = await messenger.error("CreateNotifications", org_id="acme", user_ids=["ada"], category="chat.message")
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert b"title" in _details(error)

    error = await ada.error("MarkAllNotificationsSeen", up_to="")
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert b"up_to" in _details(error)

    error = await ada.error("ListNotifications", limit=101)
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert b"limit" in _details(error)


@pytest.mark.parametrize("method", ["GetNotification", "ListNotifications", *ACTIONS])
async def test_an_unknown_include_is_named(ada: Caller, method: str) -> None:
    error = await ada.error(method, include=["sender", "recipient"])

    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert b"include" in _details(error)


@pytest.mark.parametrize("method", ["GetNotification", *ACTIONS, "MarkAllNotificationsSeen"])
async def test_what_is_not_the_callers_is_not_there_in_the_same_bytes(
    ada: Caller, grace: Caller, bob: Caller, messenger: Caller, method: str
) -> None:
    (graces,) = await messenger.notify("grace")
    (bobs,) = await messenger.notify("bob", org_id="globex")
    field = "up_to" if method == "MarkAllNotificationsSeen" else "id"

    answers = set()
    for notification_id in (graces, bobs, "nf_000000000000", "nf_", "x", "\0", graces.upper(), graces + "\n"):
        error = await ada.error(method, **{field: notification_id})
        answers.add((error.code(), error.details(), _details(error)))

    assert len(answers) == 1
    assert answers.pop()[:2] == (grpc.StatusCode.NOT_FOUND, "notification not found")
    for owner, notification_id in (grace, graces), (bob, bobs):
        assert (await owner.call("GetNotification", id=notification_id)).notification.status == 1


@pytest.mark.parametrize(
    ("method", "scope"),
    [
        ("GetNotification", "messaging:update messaging:write"),
        ("ListNotifications", "messaging:update messaging:write"),
        ("GetUnreadSummary", "messaging:update messaging:write"),
        ("MarkNotificationSeen", "messaging:read messaging:write"),
        ("MarkNotificationRead", "messaging:read messaging:write"),
        ("DismissNotification", "messaging:read messaging:write"),
        ("MarkAllNotificationsSeen", "messaging:read messaging:write"),
        ("CreateNotifications", "messaging:read messaging:update"),
    ],
)
async def test_a_missing_scope_is_told(members: None, caller_for: CallerFor, method: str, scope: str) -> None:
    error = await caller_for("ada", scope=scope).error(method)

    assert error.code() == grpc.StatusCode.PERMISSION_DENIED
    assert b"SCOPE_MISSING" in _details(error)


@pytest.mark.parametrize(
    "method", ["GetNotification", "ListNotifications", "GetUnreadSummary", *ACTIONS, "MarkAllNotificationsSeen"]
)
async def test_a_member_of_no_organisation_has_no_notifications(carol: Caller, method: str) -> None:
    error = await carol.error(method)

    assert error.code() == grpc.StatusCode.PERMISSION_DENIED
    assert b"NO_ORGANIZATION" in _details(error)


async def test_the_default_list_leaves_out_what_is_dismissed(ada: Caller, messenger: Caller) -> None:
    ids = [(await messenger.notify("ada", title=str(n)))[0] for n in range(4)]
    for method, notification_id in zip(ACTIONS, ids, strict=False):
        await ada.call(method, id=notification_id)

    listed = {
        status: [n.id for n in (await ada.call("ListNotifications", status=status)).notifications]
        for status in range(5)
    }

    assert listed == {
        pb.NOTIFICATION_STATUS_UNSPECIFIED: [ids[3], ids[1], ids[0]],
        pb.NOTIFICATION_STATUS_UNSEEN: [ids[3]],
        pb.NOTIFICATION_STATUS_SEEN: [ids[0]],
        pb.NOTIFICATION_STATUS_READ: [ids[1]],
        pb.NOTIFICATION_STATUS_DISMISSED: [ids[2]],
    }
    summary = await ada.call("GetUnreadSummary")
    assert (summary.unseen_count, summary.unread_count) == (1, 2)
    assert (await ada.call("GetNotification", id=ids[2])).notification.status == pb.NOTIFICATION_STATUS_DISMISSED


async def test_the_list_can_be_of_one_category(ada: Caller, messenger: Caller) -> None:
    await messenger.notify("ada")
    response = await messenger.call(
        "CreateNotifications", org_id="acme", user_ids=["ada"], category="order.updated", title="Order 7"
    )

    (only,) = (await ada.call("ListNotifications", category="order.updated")).notifications

    assert only.id == response.ids[0]
    assert not (await ada.call("ListNotifications", category="chat.added")).notifications


async def test_marking_up_to_what_was_shown_leaves_the_newer_unseen(ada: Caller, messenger: Caller) -> None:
    ids = [(await messenger.notify("ada", title=str(n)))[0] for n in range(4)]
    await ada.call("DismissNotification", id=ids[0])

    assert (await ada.call("MarkAllNotificationsSeen", up_to=ids[2])).changed_count == 2
    assert (await ada.call("MarkAllNotificationsSeen", up_to=ids[2])).changed_count == 0
    assert [n.id for n in (await ada.call("ListNotifications", status=1)).notifications] == [ids[3]]
    assert (await ada.call("MarkAllNotificationsSeen")).changed_count == 1


async def test_marking_all_touches_nobody_else(ada: Caller, grace: Caller, messenger: Caller) -> None:
    await messenger.notify("ada", "grace")

    assert (await ada.call("MarkAllNotificationsSeen")).changed_count == 1
    assert (await grace.call("GetUnreadSummary")).unseen_count == 1


def _details(error: grpc.aio.AioRpcError) -> bytes:
    metadata: dict[str, Any] = dict(error.trailing_metadata() or ())
    return bytes(metadata["grpc-status-details-bin"])
