"""What chooses a page: the bounds of its fields, and tokens that are good for one list only."""

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import StatusCode

from readstate.client import ReadState
from readstate.v1 import notifications_pb2
from readstate.v1 import system_events_pb2 as pb
from tests.conftest import ClientFor
from tests.rpc.wire import Wire, failure

LIST = "SystemEventService/ListSystemEvents"
READERS = "SystemEventService/ListReaders"
AUDIT = "system_events:audit"
REFUSED = (StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", ["page_token"])


async def refused(wire: Wire, method: str, request: Any, user: str = "ada", **values: Any) -> tuple[Any, ...]:
    found = await failure(wire.call(method, request, wire.bearer(user, **values)))
    return found.code, found.reason, [field for field, _ in found.violations]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"page_size": -1}, "page_size"),
        ({"page_size": 101}, "page_size"),
        ({"skip": -1}, "skip"),
        ({"skip": 10_001}, "skip"),
        ({"order": 7}, "order"),
        ({"types": [""]}, "types[0]"),
        ({"types": ["good", "x" * 256]}, "types[1]"),
        ({"types": ["t"] * 101}, "types"),
        ({"actor_ids": ["a\0b"]}, "actor_ids[0]"),
        ({"subject_ids": ["a\nb"]}, "subject_ids[0]"),
        ({"workspace_ids": ["w"] * 101}, "workspace_ids"),
        ({"occurred_from": Timestamp(nanos=-1)}, "occurred_from"),
        ({"occurred_before": Timestamp(seconds=2**60)}, "occurred_before"),
        ({"page_token": "x"}, "page_token"),
    ],
    ids=str,
)
async def test_a_field_that_is_not_valid_is_named(
    ada: ReadState, wire: Wire, fields: dict[str, Any], named: str
) -> None:
    request = pb.ListSystemEventsRequest(**fields)
    assert await refused(wire, LIST, request) == (StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", [named])


async def test_the_size_of_a_page_of_readers_has_bounds(ada: ReadState, wire: Wire) -> None:
    for size in -1, 101:
        request = pb.ListReadersRequest(event_id=1, page_size=size)
        assert (await refused(wire, READERS, request, scope=AUDIT))[2] == ["page_size"]


@pytest.fixture
async def token(ada: ReadState) -> str:
    """Where the second page of two types begins."""
    page = await ada.list_system_events(page_size=10, types=["demo", "other"])
    assert page.next_page_token
    return page.next_page_token


async def test_a_token_is_good_for_its_list_in_other_pages(ada: ReadState, grace: ReadState, token: str) -> None:
    for client in ada, grace:
        page = await client.list_system_events(
            page_size=3, types=["other", "demo", "other"], page_token=token, with_total=True
        )
        assert [event.event_id for event in page.events] == [40, 39, 38]


@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"types": ["demo"]},
        {"types": ["demo", "other"], "unread_only": True},
        {"types": ["demo", "other"], "actor_ids": ["a"]},
        {"actor_ids": ["demo", "other"]},
        {"types": ["demo", "other"], "occurred_from": datetime(2020, 1, 1, tzinfo=UTC)},
        {"types": ["demo", "other"], "order": pb.SYSTEM_EVENT_ORDER_OCCURRED_AT},
    ],
    ids=str,
)
async def test_a_token_is_refused_with_another_filter(
    ada: ReadState, wire: Wire, token: str, chosen: dict[str, Any]
) -> None:
    assert await refused(wire, LIST, pb.ListSystemEventsRequest(page_token=token, **chosen)) == REFUSED


async def test_a_token_is_refused_in_another_organisation(bob: ReadState, wire: Wire, token: str) -> None:
    request = pb.ListSystemEventsRequest(page_token=token, types=["demo", "other"])
    assert await refused(wire, LIST, request, "bob") == REFUSED


@pytest.mark.parametrize("alter", [lambda t: t[:-1], lambda t: t + "A", lambda t: "B" + t[1:], lambda t: t[:-1] + "*"])
async def test_a_token_that_was_altered_is_refused(ada: ReadState, wire: Wire, token: str, alter: Any) -> None:
    request = pb.ListSystemEventsRequest(page_token=alter(token), types=["demo", "other"])
    assert await refused(wire, LIST, request) == REFUSED


async def test_a_token_is_refused_by_another_method(
    ada: ReadState, wire: Wire, token: str, client_for: ClientFor
) -> None:
    assert await refused(wire, READERS, pb.ListReadersRequest(event_id=1, page_token=token), scope=AUDIT) == REFUSED
    notifications = notifications_pb2.ListNotificationsRequest(cursor=token)
    found = await refused(wire, "NotificationService/ListNotifications", notifications, scope="messaging:read")
    assert found == (StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", ["cursor"])


async def test_a_notifications_token_is_refused(ada: ReadState, wire: Wire, client_for: ClientFor) -> None:
    messenger = client_for("messenger", scope="messaging:write")
    for _ in range(2):
        await messenger.create_notifications("acme", ["ada"], category="c", title="t")
    reply = await wire.call(
        "NotificationService/ListNotifications",
        notifications_pb2.ListNotificationsRequest(limit=1),
        wire.bearer("ada", scope="messaging:read"),
    )
    cursor = notifications_pb2.ListNotificationsResponse.FromString(reply).next_cursor
    assert cursor
    assert await refused(wire, LIST, pb.ListSystemEventsRequest(page_token=cursor)) == REFUSED
    assert await refused(wire, READERS, pb.ListReadersRequest(event_id=1, page_token=cursor), scope=AUDIT) == REFUSED


async def test_a_token_of_one_events_readers_is_refused_for_another(
    ada: ReadState, grace: ReadState, wire: Wire
) -> None:
    for reader in ada, grace:
        await reader.mark_read([1, 2])
    request = pb.ListReadersRequest(event_id=1, page_size=1)
    reply = await wire.call(READERS, request, wire.bearer("ada", scope=AUDIT))
    token = pb.ListReadersResponse.FromString(reply).next_page_token
    assert token
    other = pb.ListReadersRequest(event_id=2, page_size=1, page_token=token)
    assert await refused(wire, READERS, other, scope=AUDIT) == REFUSED
    assert await refused(wire, LIST, pb.ListSystemEventsRequest(page_token=token)) == REFUSED
    same = pb.ListReadersRequest(event_id=1, page_size=5, page_token=token)
    await wire.call(READERS, same, wire.bearer("ada", scope=AUDIT))
