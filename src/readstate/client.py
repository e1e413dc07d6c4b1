"""An async client of readstate.

    async with ReadState("readstate.internal:443", token=token, tls=True) as readstate:
        await readstate.mark_read([1, 2, 3])

Every method raises the errors of `readstate.errors`, as the server does; `request_id` of an error is what to quote to
the people who run the server. A failure that has no type there is a `CallFailed`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, Self, TypeAlias

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from readstate import errors
from readstate.errors import ReadStateError
from readstate.model import MarkResult, UnreadSummary
from readstate.v1 import (
    directory_pb2,
    directory_pb2_grpc,
    notifications_pb2,
    notifications_pb2_grpc,
    system_events_pb2,
    system_events_pb2_grpc,
)

TIMEOUT: Final = 6.0
"""Seconds. The server ends every call after 5, so its own answer comes first."""

Token: TypeAlias = str | Callable[[], Awaitable[str]]
NewSystemEvent: TypeAlias = system_events_pb2.NewSystemEvent | Mapping[str, Any]
"""The message, or its fields: `{"type": "invoice.issued", "payload": {"total": 3}}`."""

Actor: TypeAlias = notifications_pb2.Actor | Mapping[str, Any]
"""The message, or its fields: `{"id": "user_1", "type": "ACTOR_TYPE_USER", "name": "Grace"}`."""
Entity: TypeAlias = notifications_pb2.Entity | Mapping[str, Any]
"""The message, or its fields: `{"id": "order_7", "type": "order"}`."""

# Only what is safe to repeat: an event without an id of its own would be recorded twice.
_REPEATABLE: Final = (
    {"service": "readstate.v1.SystemEventService", "method": "MarkRead"},
    {"service": "readstate.v1.SystemEventService", "method": "MarkUnread"},
    {"service": "readstate.v1.DirectoryService"},
    *(
        {"service": "readstate.v1.NotificationService", "method": method.name}
        for method in notifications_pb2.DESCRIPTOR.services_by_name["NotificationService"].methods
        if method.name != "CreateNotifications"
    ),
)
_RETRY: Final = {
    "maxAttempts": 4,
    "initialBackoff": "0.1s",
    "maxBackoff": "1s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
_SERVICE_CONFIG: Final = json.dumps({"methodConfig": [{"name": _REPEATABLE, "retryPolicy": _RETRY}]})


class CallFailed(ReadStateError):
    """A failure that has no type of its own: from a newer server, from something in between, or from gRPC itself."""

    reason = "CALL_FAILED"

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


class ReadState:
    """A connection to a server, made on the first call and again when it is lost. Use it for many calls at once.

    `token` is the bearer token, or a function that fetches one: called before the first call, and again once the server
    says that the token has expired. `tls`, or certificates, in PEM: those of `root_certificates` instead of the
    system's, and a `client_pair` of private key and certificate chain for mutual TLS. `timeout` in seconds holds for
    each call that brings none.
    """

    def __init__(
        self,
        target: str,
        *,
        token: Token,
        tls: bool = False,
        root_certificates: bytes | None = None,
        client_pair: tuple[bytes, bytes] | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        self._fetch_token = None if isinstance(token, str) else token
        self._token = token if isinstance(token, str) else None
        self._fetching = asyncio.Lock()
        self._timeout = timeout
        options = [("grpc.service_config", _SERVICE_CONFIG)]
        if tls or root_certificates or client_pair:
            credentials = grpc.ssl_channel_credentials(root_certificates, *(client_pair or (None, None)))
            self._channel = grpc.aio.secure_channel(target, credentials, options)
        else:
            self._channel = grpc.aio.insecure_channel(target, options)
        self._events = system_events_pb2_grpc.SystemEventServiceStub(self._channel)
        self._notifications = notifications_pb2_grpc.NotificationServiceStub(self._channel)
        self._directory = directory_pb2_grpc.DirectoryServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connection, and calls that are still running with it."""
        await self._channel.close()

    async def mark_read(self, event_ids: Iterable[int], *, timeout: float | None = None) -> MarkResult:
        """Mark events as read for the token's user."""
        request = system_events_pb2.MarkReadRequest(event_ids=event_ids)
        response = await self._call(self._events.MarkRead, request, timeout)
        return MarkResult(response.changed_count, response.matched_count)

    async def mark_unread(self, event_ids: Iterable[int], *, timeout: float | None = None) -> MarkResult:
        """Remove the read marks of the token's user."""
        request = system_events_pb2.MarkUnreadRequest(event_ids=event_ids)
        response = await self._call(self._events.MarkUnread, request, timeout)
        return MarkResult(response.changed_count, response.matched_count)

    async def record_system_events(
        self,
        org_id: str,
        events: Iterable[NewSystemEvent],
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> list[int]:
        """Append events to an organisation's stream; return their ids in order."""
        request = system_events_pb2.RecordSystemEventsRequest(org_id=org_id, events=events)
        response = await self._call(self._events.RecordSystemEvents, request, timeout, idempotency_key)
        return list(response.event_ids)

    async def create_notifications(
        self,
        org_id: str,
        user_ids: Iterable[str],
        *,
        category: str,
        title: str,
        body: str | None = None,
        priority: notifications_pb2.NotificationPriority | None = None,
        sender: Actor | None = None,
        resource: Entity | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> notifications_pb2.CreateNotificationsResponse:
        """Notify members of an organisation; the response tells who is none."""
        request = notifications_pb2.CreateNotificationsRequest(
            org_id=org_id,
            user_ids=user_ids,
            category=category,
            title=title,
            body=body,
            priority=priority,
            sender=sender,
            resource=resource,
        )
        response: notifications_pb2.CreateNotificationsResponse = await self._call(
            self._notifications.CreateNotifications, request, timeout, idempotency_key
        )
        return response

    async def notification(
        self, notification_id: str, *, include: Iterable[str] = (), timeout: float | None = None
    ) -> notifications_pb2.Notification:
        """One notification of the token's user."""
        request = notifications_pb2.GetNotificationRequest(id=notification_id, include=include)
        return await self._one(self._notifications.GetNotification, request, timeout)

    async def notifications(
        self,
        *,
        status: notifications_pb2.NotificationStatus | None = None,
        category: str | None = None,
        include: Iterable[str] = (),
        timeout: float | None = None,
    ) -> AsyncIterator[notifications_pb2.Notification]:
        """The notifications of the token's user, newest first, page by page as they are asked for."""
        request = notifications_pb2.ListNotificationsRequest(
            status=status, category=category, limit=100, include=include
        )
        while True:
            page = await self._call(self._notifications.ListNotifications, request, timeout)
            for notification in page.notifications:
                yield notification
            if not page.HasField("next_cursor"):
                return
            request.cursor = page.next_cursor

    async def unread_summary(self, *, timeout: float | None = None) -> UnreadSummary:
        """How many notifications of the token's user want attention."""
        request = notifications_pb2.GetUnreadSummaryRequest()
        response = await self._call(self._notifications.GetUnreadSummary, request, timeout)
        return UnreadSummary(response.unseen_count, response.unread_count)

    async def mark_notification_seen(
        self,
        notification_id: str,
        *,
        include: Iterable[str] = (),
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> notifications_pb2.Notification:
        """Mark a notification of the token's user as seen."""
        request = notifications_pb2.MarkNotificationSeenRequest(id=notification_id, include=include)
        return await self._one(self._notifications.MarkNotificationSeen, request, timeout, idempotency_key)

    async def mark_notification_read(
        self,
        notification_id: str,
        *,
        include: Iterable[str] = (),
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> notifications_pb2.Notification:
        """Mark a notification of the token's user as read, and seen."""
        request = notifications_pb2.MarkNotificationReadRequest(id=notification_id, include=include)
        return await self._one(self._notifications.MarkNotificationRead, request, timeout, idempotency_key)

    async def dismiss_notification(
        self,
        notification_id: str,
        *,
        include: Iterable[str] = (),
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> notifications_pb2.Notification:
        """Take a notification of the token's user out of the list."""
        request = notifications_pb2.DismissNotificationRequest(id=notification_id, include=include)
        return await self._one(self._notifications.DismissNotification, request, timeout, idempotency_key)

    async def mark_all_notifications_seen(
        self, up_to: str | None = None, *, idempotency_key: str | None = None, timeout: float | None = None
    ) -> int:
        """Mark as seen what the token's user has not seen, up to the newest that they were shown; return how many."""
        request = notifications_pb2.MarkAllNotificationsSeenRequest(up_to=up_to)
        method = self._notifications.MarkAllNotificationsSeen
        return int((await self._call(method, request, timeout, idempotency_key)).changed_count)

    async def upsert_members(self, members: Mapping[str, str | None], *, timeout: float | None = None) -> None:
        """Place users, by id, in an organisation or, with None, in none."""
        entries = [directory_pb2.NewMember(user_id=user_id, org_id=org_id) for user_id, org_id in members.items()]
        request = directory_pb2.UpsertMembersRequest(members=entries)
        await self._call(self._directory.UpsertMembers, request, timeout)

    async def remove_members(self, user_ids: Iterable[str], *, timeout: float | None = None) -> int:
        """Remove users; return how many of them were members."""
        request = directory_pb2.RemoveMembersRequest(user_ids=user_ids)
        return int((await self._call(self._directory.RemoveMembers, request, timeout)).removed_count)

    async def _one(
        self, method: Any, request: Message, timeout: float | None, idempotency_key: str | None = None
    ) -> notifications_pb2.Notification:
        response = await self._call(method, request, timeout, idempotency_key)
        notification: notifications_pb2.Notification = response.notification
        return notification

    async def _call(
        self, method: Any, request: Message, timeout: float | None, idempotency_key: str | None = None
    ) -> Any:
        key = () if idempotency_key is None else (("idempotency-key", idempotency_key),)
        token = await self._renewed(None) if self._token is None else self._token
        try:
            return await self._send(method, request, timeout, token, key)
        except errors.ExpiredToken:
            if self._fetch_token is None:
                raise
        return await self._send(method, request, timeout, await self._renewed(token), key)

    async def _send(
        self, method: Any, request: Message, timeout: float | None, token: str, key: tuple[tuple[str, str], ...]
    ) -> Any:
        seconds = self._timeout if timeout is None else timeout
        try:
            return await method(request, timeout=seconds, metadata=(("authorization", f"Bearer {token}"), *key))
        except grpc.aio.AioRpcError as error:
            raise _error(error) from error

    async def _renewed(self, old: str | None) -> str:
        """Another token than `old`. Calls that find the same token expired share one new one."""
        async with self._fetching:
            if self._token is None or self._token == old:
                assert self._fetch_token is not None  # noqa: S101 - or there would be a token
                self._token = await self._fetch_token()
            return self._token


_BY_REASON: Final = {
    kind.reason: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, ReadStateError) and "reason" in vars(kind)
}
# For failures that gRPC itself has found, which carry no reason.
_BY_CODE: Final = {
    grpc.StatusCode.UNAVAILABLE: errors.Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.OutOfTime,
}


def _error(error: grpc.aio.AioRpcError) -> ReadStateError:
    details = _details(error)
    reason = details["ErrorInfo"].reason if "ErrorInfo" in details else None
    kind = _BY_CODE.get(error.code()) if reason is None else _BY_REASON.get(reason)
    message = error.details() or ""
    # Not by its constructor: what that would compute has been computed, by the server.
    found = CallFailed(error.code(), message) if kind is None else kind.__new__(kind)
    found.message = message
    if isinstance(found, errors.InvalidRequest):
        found.field = next((violation.field for violation in details["BadRequest"].field_violations), "")
    if "RequestInfo" in details:
        found.request_id = details["RequestInfo"].request_id
    return found


def _details(error: grpc.aio.AioRpcError) -> dict[str, Any]:
    """The details of google.rpc.Status by the names of their types."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # has what it needs
    found: dict[str, Any] = {}
    for packed in status.details if status else ():
        name = packed.TypeName().rpartition(".")[2]
        kind = getattr(error_details_pb2, name, None)
        if kind is not None:
            found[name] = kind()
            packed.Unpack(found[name])
    return found
