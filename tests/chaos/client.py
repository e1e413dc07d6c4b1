"""A client that makes each call once, so that each attempt is a call of the history."""

from collections.abc import Sequence
from typing import Any, Final

import grpc

from readstate.client.transport import Caller
from readstate.model import MarkResult
from readstate.v1 import notifications_pb2 as n
from readstate.v1 import system_events_pb2 as e
from readstate.v1.notifications_pb2_grpc import NotificationServiceStub
from readstate.v1.system_events_pb2_grpc import SystemEventServiceStub

OPTIONS: Final = [
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),
    # A server that is back is found at once: what is measured is the server. The second bounds opening a connection.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 5000),
    ("grpc.max_reconnect_backoff_ms", 200),
]


def plain_channel(port: int) -> grpc.aio.Channel:
    """A channel to this machine that repeats nothing by itself."""
    return grpc.aio.insecure_channel(f"127.0.0.1:{port}", OPTIONS)


class SingleAttempts:
    """One user's calls. Errors are those of `ReadState`."""

    def __init__(self, channel: grpc.aio.Channel, token: str, *, timeout: float = 6) -> None:
        self._call: Any = Caller(token, timeout).call
        self._events = SystemEventServiceStub(channel)
        self._notifications = NotificationServiceStub(channel)

    async def mark_read(self, event_ids: Sequence[int], /) -> MarkResult:
        response = await self._call(self._events.MarkRead, e.MarkReadRequest(event_ids=event_ids), None)
        return MarkResult(response.changed_count, response.matched_count)

    async def mark_unread(self, event_ids: Sequence[int], /) -> MarkResult:
        response = await self._call(self._events.MarkUnread, e.MarkUnreadRequest(event_ids=event_ids), None)
        return MarkResult(response.changed_count, response.matched_count)

    async def create_notifications(
        self, org_id: str, user_ids: Sequence[str], /, *, category: str, title: str, idempotency_key: str
    ) -> n.CreateNotificationsResponse:
        request = n.CreateNotificationsRequest(org_id=org_id, user_ids=user_ids, category=category, title=title)
        response: n.CreateNotificationsResponse = await self._call(
            self._notifications.CreateNotifications, request, None, idempotency_key
        )
        return response
