"""What `readstate dev` puts in for ada, and the typed client's way through it."""

import pytest

from readstate.client import ReadState
from readstate.dev import demo, demo_notifications
from readstate.errors import IdempotencyKeyReused, NotificationNotFound
from readstate.model import MarkResult, UnreadSummary
from readstate.store.pool import Database
from readstate.v1 import notifications_pb2 as pb
from tests.conftest import ClientFor

CATEGORIES = {
    "chat.message",
    "chat.mention",
    "chat.added",
    "order.updated",
    "agent.run_completed",
    "agent.alert",
    "system.broadcast",
}


@pytest.fixture
async def ada(database: Database, client_for: ClientFor) -> ReadState:
    await demo.load(database, 0, lambda _: None)
    return client_for("ada", scope="messaging:read messaging:update", org="acme")


async def test_ada_has_ten_of_every_category_with_a_sender_or_a_resource(ada: ReadState) -> None:
    found = [notification async for notification in ada.notifications(include=["sender", "resource"])]

    assert len(found) == 10
    assert {notification.category for notification in found} == CATEGORIES
    assert all(notification.HasField("sender") or notification.HasField("resource") for notification in found)
    assert await ada.unread_summary() == UnreadSummary(unseen=10, unread=10)


@pytest.mark.parametrize("dismissed", [False, True])
async def test_loading_again_leaves_them_as_they_are(ada: ReadState, database: Database, dismissed: bool) -> None:
    before = [notification.id async for notification in ada.notifications()]
    for notification_id in before:
        if dismissed:
            await ada.dismiss_notification(notification_id)

    await demo.load(database, 0, lambda _: None)

    status = pb.NOTIFICATION_STATUS_DISMISSED if dismissed else None
    assert [notification.id async for notification in ada.notifications(status=status)] == before


async def test_the_client_goes_all_the_way(ada: ReadState) -> None:
    newest, second, *_ = [notification async for notification in ada.notifications()]

    assert (await ada.mark_notification_seen(second.id)).status == pb.NOTIFICATION_STATUS_SEEN
    assert (await ada.mark_notification_read(second.id)).status == pb.NOTIFICATION_STATUS_READ
    assert (await ada.dismiss_notification(second.id)).status == pb.NOTIFICATION_STATUS_DISMISSED
    assert (await ada.notification(second.id)).status == pb.NOTIFICATION_STATUS_DISMISSED
    assert await ada.mark_all_notifications_seen(newest.id) == 9
    assert await ada.unread_summary() == UnreadSummary(unseen=0, unread=9)
    assert await ada.mark_all_notifications_read(newest.id) == 9
    assert await ada.unread_summary() == UnreadSummary(unseen=0, unread=0)


async def test_ada_has_fifty_events_of_which_twelve_are_read(ada: ReadState) -> None:
    state = await ada.unread_count()
    assert (state.head, state.unread) == (50, 38)
    found = [event async for event in ada.system_events()]
    assert [event.event_id for event in found] == [*range(50, 0, -1)]
    assert len([event for event in found if event.read]) == 12
    assert all(event.payload_json and event.actor_id and event.subject_id for event in found)
    # What the page tells to try first has something to do.
    assert await ada.mark_read([1, 2, 3]) == MarkResult(changed=3, matched=3)


@pytest.mark.parametrize("left", ["as it was", "changed", "all unread"])
async def test_loading_again_leaves_what_is_read_as_it_is(ada: ReadState, database: Database, left: str) -> None:
    if left == "changed":
        await ada.mark_read([50])
    if left == "all unread":
        await ada.mark_unread([*range(1, 51)])
    before = await ada.unread_count()

    await demo.load(database, 0, lambda _: None)

    assert await ada.unread_count() == before


async def test_the_client_hands_on_keys_and_raises_what_they_raise(ada: ReadState, client_for: ClientFor) -> None:
    service = client_for("service", scope="messaging:write system_events:write")
    created = [
        await service.create_notifications(
            "acme", ["grace", "nobody"], category="chat.message", title="Hello", idempotency_key="key"
        )
        for _ in range(2)
    ]
    recorded = [await service.record_system_events("acme", [{"type": "x"}], idempotency_key="k2") for _ in range(2)]

    assert created[0] == created[1]
    assert list(created[0].unknown_user_ids) == ["nobody"]
    assert recorded[0] == recorded[1]
    with pytest.raises(IdempotencyKeyReused):
        await service.record_system_events("acme", [{"type": "x"}], idempotency_key="key")
    with pytest.raises(NotificationNotFound):
        await ada.mark_notification_seen(created[0].ids[0])


def test_every_notification_differs() -> None:
    assert len({content.title for content in demo_notifications.NOTIFICATIONS}) == 10
