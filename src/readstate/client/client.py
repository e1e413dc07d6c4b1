"""The client: the methods of the services, in Python."""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Self, TypeAlias

from google.protobuf.message import Message

from readstate.client.system_events import SystemEventCalls
from readstate.client.transport import TIMEOUT, Caller, Token, open_channel
from readstate.client.watching import watch
from readstate.model import InboxState, UnreadSummary
from readstate.v1 import (
    directory_pb2,
    directory_pb2_grpc,
    notifications_pb2,
    notifications_pb2_grpc,
    system_events_pb2_grpc,
    unread_pb2_grpc,
)

Actor: TypeAlias = notifications_pb2.Actor | Mapping[str, Any]
"""The message, or its fields: `{"id": "user_1", "type": "ACTOR_TYPE_USER", "name": "Grace"}`."""
Entity: TypeAlias = notifications_pb2.Entity | Mapping[str, Any]
"""The message, or its fields: `{"id": "order_7", "type": "order"}`."""


class ReadState(SystemEventCalls):
    """A connection to a server. It is made on the first call, and again when it is lost. Use it for many calls at once.

    `token` is the bearer token, or a function that fetches one. The function is called before the first call, and again
    when the server says that the token has expired. `tls` turns TLS on, and so do certificates. All of them are PEM:
    `root_certificates` replace those of the system, `client_pair` is a private key and a certificate chain for mutual
    TLS. `timeout` is in seconds, for calls without a timeout of their own. It covers the whole call: fetching the token
    and repetitions included.

    Every call also raises, beside the errors that its docstring names:
        Unauthenticated: there is no token, or it is invalid or expired, or the server does not know its user. The
            subclass says which.
        Overloaded: the server sheds load.
        Unavailable: the server, or something it needs, cannot be reached; or the client has been closed.
        OutOfTime: the call's time is over. The call may still have had its effect.
        CallFailed: the failure has no type. For example, the message is larger than the server accepts.
        ReadStateError: another error of this package: the server has failed, or it has another version.
        TypeError, ValueError: a call cannot carry an argument, or a token that was fetched.
        Exception: whatever the function that fetches the token raises. A TimeoutError comes from there.
    CancelledError is raised only if the caller itself is cancelled.
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
        """Make no connection yet.

        Raises:
            ValueError: `token` is not printable ASCII.
        """
        self._channel = open_channel(target, tls=tls, root_certificates=root_certificates, client_pair=client_pair)
        self._caller = Caller(token, timeout)
        self._call = self._caller.call
        self._events = system_events_pb2_grpc.SystemEventServiceStub(self._channel)
        self._notifications = notifications_pb2_grpc.NotificationServiceStub(self._channel)
        self._directory = directory_pb2_grpc.DirectoryServiceStub(self._channel)
        self._unread = unread_pb2_grpc.UnreadServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connection. Calls that are still running, and later ones, raise Unavailable."""
        await self._channel.close()

    def watch_unread(self) -> AsyncIterator[InboxState]:
        """What the token's user has not read: at once, and again whenever it changes.

        Connects again by itself, after a while that grows with each failure, and with a new token when the old one has
        expired. The first state of a new connection may be one that has been seen. Notifications are None if the token
        lacks `messaging:read`. Goes on until its reader stops, or the client is closed.

        Raises:
            NoOrganization: the user belongs to none.
            Migrating: the server's database is being upgraded.
            ExpiredToken: the token has expired, and there is no function that fetches another one.
        """
        return watch(self._unread.WatchUnread, self._caller)

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
        """Notify members of an organisation. The response names the users who are not members.

        Raises:
            InvalidRequest: an argument, which `field` names, breaks a rule.
            MissingScope: the token lacks `messaging:write`.
            IdempotencyKeyReused: the key belongs to another request.
            IdempotencyKeyInUse: the first call with the key is still running.
        """
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
        """One notification of the token's user.

        Raises:
            InvalidRequest: `include` holds an unknown name.
            NotificationNotFound: the user has none with this id.
            NoOrganization: the user belongs to none.
            MissingScope: the token lacks `messaging:read`.
        """
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
        """The notifications of the token's user, newest first. Each page is fetched when it is needed.

        `timeout` is for each page.

        Raises:
            InvalidRequest: the server does not know a value of a filter or of `include`.
            NoOrganization: the user belongs to none.
            MissingScope: the token lacks `messaging:read`.
        """
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
        """How many notifications of the token's user are unseen, and how many are unread.

        Raises:
            NoOrganization: the user belongs to none.
            MissingScope: the token lacks `messaging:read`.
        """
        request = notifications_pb2.GetUnreadSummaryRequest()
        response = await self._call(self._notifications.GetUnreadSummary, request, timeout)
        return UnreadSummary(response.unseen_count, response.unread_count, response.version)

    async def mark_notification_seen(
        self,
        notification_id: str,
        *,
        include: Iterable[str] = (),
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> notifications_pb2.Notification:
        """Mark a notification of the token's user as seen.

        Raises:
            InvalidRequest: `include` holds an unknown name, or the key is empty or too long.
            NotificationNotFound: the user has none with this id.
            NoOrganization: the user belongs to none.
            MissingScope: the token lacks `messaging:update`.
            IdempotencyKeyReused: the key belongs to another request.
            IdempotencyKeyInUse: the first call with the key is still running.
        """
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
        """Mark a notification of the token's user as read, and seen. Raises what `mark_notification_seen` does."""
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
        """Take a notification of the token's user out of the list. Raises what `mark_notification_seen` does."""
        request = notifications_pb2.DismissNotificationRequest(id=notification_id, include=include)
        return await self._one(self._notifications.DismissNotification, request, timeout, idempotency_key)

    async def mark_all_notifications_seen(
        self, up_to: str | None = None, *, idempotency_key: str | None = None, timeout: float | None = None
    ) -> int:
        """Mark as seen the unseen notifications of the token's user; return how many. `up_to` is the id of the newest
        one that the user was shown, so that one which arrives meanwhile stays unseen.

        Raises:
            InvalidRequest: `up_to` or the key is empty, or the key is too long.
            NotificationNotFound: the user has no notification with the id `up_to`.
            NoOrganization: the user belongs to none.
            MissingScope: the token lacks `messaging:update`.
            IdempotencyKeyReused: the key belongs to another request.
            IdempotencyKeyInUse: the first call with the key is still running.
        """
        request = notifications_pb2.MarkAllNotificationsSeenRequest(up_to=up_to)
        method = self._notifications.MarkAllNotificationsSeen
        return int((await self._call(method, request, timeout, idempotency_key)).changed_count)

    async def mark_all_notifications_read(
        self, up_to: str | None = None, *, idempotency_key: str | None = None, timeout: float | None = None
    ) -> int:
        """Mark as read, and seen, what the token's user has not read, up to the newest that they were shown; return how
        many. Raises what `mark_all_notifications_seen` does."""
        request = notifications_pb2.MarkAllNotificationsReadRequest(up_to=up_to)
        method = self._notifications.MarkAllNotificationsRead
        return int((await self._call(method, request, timeout, idempotency_key)).changed_count)

    async def upsert_members(
        self, members: Mapping[str, str | None], *, start_read: bool = False, timeout: float | None = None
    ) -> None:
        """Place users, by id, in an organisation or, with None, in none.

        With `start_read` the organisation's events so far count as read for those who are new to it.

        Raises:
            InvalidRequest: there are no members or more than 10,000, or an id breaks a rule.
            MissingScope: the token lacks `directory:write`.
            DirectoryFromClaims: the server has no directory of its own.
        """
        entries = [
            directory_pb2.NewMember(user_id=user_id, org_id=org_id, start_read=start_read)
            for user_id, org_id in members.items()
        ]
        request = directory_pb2.UpsertMembersRequest(members=entries)
        await self._call(self._directory.UpsertMembers, request, timeout)

    async def remove_members(self, user_ids: Iterable[str], *, timeout: float | None = None) -> int:
        """Remove users; return how many of them were members. Raises what `upsert_members` does."""
        request = directory_pb2.RemoveMembersRequest(user_ids=user_ids)
        return int((await self._call(self._directory.RemoveMembers, request, timeout)).removed_count)

    async def _one(
        self, method: Any, request: Message, timeout: float | None, idempotency_key: str | None = None
    ) -> notifications_pb2.Notification:
        response = await self._call(method, request, timeout, idempotency_key)
        notification: notifications_pb2.Notification = response.notification
        return notification
