"""What `readstate dev` puts in for ada, and the typed client's way through it."""

import pytest

from readstate.client import ReadState
from readstate.dev import demo, demo_notifications
from readstate.errors import IdempotencyKeyReused, NotificationNotFound
from readstate.model import UnreadSummary
from readstate.store.pool import Database
from readstate.v1 import notifications_pb2 as pb
from tests.conftest import ClientFor

SEED = {
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
    assert {notification.category for notification in found} == SEED
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
