"""The methods of SystemEventService, as Python."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypedDict, Unpack

from readstate.model import MarkAllResult, MarkResult, Reader, UndoResult, UnreadState
from readstate.v1 import system_events_pb2 as pb
from readstate.v1.system_events_pb2_grpc import SystemEventServiceStub

NewSystemEvent: TypeAlias = pb.NewSystemEvent | Mapping[str, Any]
"""The message, or its fields: `{"type": "invoice.issued", "payload": {"total": 3}}`."""


class EventFilter(TypedDict, total=False):
    """Which events to list. A list lets an event pass that has one of its values; an empty one lets all pass."""

    unread_only: bool
    types: Iterable[str]
    actor_ids: Iterable[str]
    subject_ids: Iterable[str]
    workspace_ids: Iterable[str]
    occurred_from: datetime
    """A datetime without a time zone is taken as UTC."""
    occurred_before: datetime
    """Not included."""


class SystemEventCalls:
    """The part of `ReadState` that is about system events."""

    _call: Callable[..., Awaitable[Any]]
    _events: SystemEventServiceStub

    async def mark_read(
        self, event_ids: Iterable[int], *, with_state: bool = False, timeout: float | None = None
    ) -> MarkResult:
        """Mark events as read for the token's user. `with_state` asks for what is unread afterwards.

        Raises:
            InvalidEventIds: no id is positive.
            TooManyEventIds: there are more than 10,000.
            NoOrganization: the user belongs to none.
            Migrating: `with_state`, while the server's database is being upgraded. Nothing is marked.
        """
        request = pb.MarkReadRequest(event_ids=event_ids, with_state=with_state)
        return _mark_result(await self._call(self._events.MarkRead, request, timeout))

    async def mark_unread(
        self, event_ids: Iterable[int], *, with_state: bool = False, timeout: float | None = None
    ) -> MarkResult:
        """Mark events as unread for the token's user. `with_state` asks for what is unread afterwards.

        Raises:
            InvalidEventIds: no id is positive.
            TooManyEventIds: there are more than 10,000.
            Migrating: as for `mark_read`.
        """
        request = pb.MarkUnreadRequest(event_ids=event_ids, with_state=with_state)
        return _mark_result(await self._call(self._events.MarkUnread, request, timeout))

    async def record_system_events(
        self,
        org_id: str,
        events: Iterable[NewSystemEvent],
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> list[int]:
        """Append events to an organisation's stream; return their ids in order.

        Raises:
            InvalidRequest: an argument, which `field` names, breaks a rule.
            MissingScope: the token lacks `system_events:write`.
            EventIdsExhausted: an event has no id, and the organisation has used the largest.
            IdempotencyKeyReused: the key belongs to another request.
            IdempotencyKeyInUse: the first call with the key is still running.
        """
        request = pb.RecordSystemEventsRequest(org_id=org_id, events=events)
        response = await self._call(self._events.RecordSystemEvents, request, timeout, idempotency_key)
        return list(response.event_ids)

    async def list_system_events(
        self,
        *,
        page_size: int = 50,
        page_token: str = "",
        skip: int = 0,
        with_total: bool = False,
        timeout: float | None = None,
        **chosen: Unpack[EventFilter],
    ) -> pb.ListSystemEventsResponse:
        """A page of the organisation's events, newest first, with what is unread; `system_events` goes over all.

        Raises:
            InvalidRequest: an argument, which `field` names, breaks a rule.
            NoOrganization: the token's user belongs to none.
            Migrating: the server's database is being upgraded.
        """
        request = pb.ListSystemEventsRequest(
            page_size=page_size, page_token=page_token, skip=skip, with_total=with_total, **chosen
        )
        response: pb.ListSystemEventsResponse = await self._call(self._events.ListSystemEvents, request, timeout)
        return response

    async def system_events(
        self, *, timeout: float | None = None, **chosen: Unpack[EventFilter]
    ) -> AsyncIterator[pb.SystemEvent]:
        """The organisation's events, newest first, page by page as they are asked for.

        `timeout` holds for each page. Raises what `list_system_events` does.
        """
        request = pb.ListSystemEventsRequest(page_size=100, **chosen)
        while True:
            page = await self._call(self._events.ListSystemEvents, request, timeout)
            for event in page.events:
                yield event
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def unread_count(self, *, timeout: float | None = None) -> UnreadState:
        """How many events the token's user has not read.

        Raises:
            NoOrganization: the user belongs to none.
            Migrating: the server's database is being upgraded.
        """
        response = await self._call(self._events.GetUnreadCount, pb.GetUnreadCountRequest(), timeout)
        return UnreadState(response.unread_count, response.head, response.version)

    async def mark_all_read(
        self, up_to: int, *, idempotency_key: str | None = None, timeout: float | None = None
    ) -> MarkAllResult:
        """Mark all events up to this `seq`, an event's or `head`, as read for the token's user.

        Raises:
            InvalidRequest: `up_to` is negative, or the key is empty or too long.
            NoOrganization: the user belongs to none.
            Migrating: the server's database is being upgraded.
            IdempotencyKeyReused: the key belongs to another request.
            IdempotencyKeyInUse: the first call with the key is still running.
        """
        request = pb.MarkAllReadRequest(up_to=up_to)
        response = await self._call(self._events.MarkAllRead, request, timeout, idempotency_key)
        undo_token = response.undo_token if response.HasField("undo_token") else None
        return MarkAllResult(response.changed_count, response.unread_count, response.version, undo_token)

    async def undo_mark_all_read(
        self, undo_token: str, *, idempotency_key: str | None = None, timeout: float | None = None
    ) -> UndoResult:
        """Make unread again what the `mark_all_read` that gave this token changed.

        Raises:
            InvalidUndoToken: the token was not given to this user in this organisation.
            InvalidRequest: the key is empty or too long.
            NoOrganization: the user belongs to none.
            Migrating: the server's database is being upgraded.
            IdempotencyKeyReused: the key belongs to another request.
            IdempotencyKeyInUse: the first call with the key is still running.
        """
        request = pb.UndoMarkAllReadRequest(undo_token=undo_token)
        response = await self._call(self._events.UndoMarkAllRead, request, timeout, idempotency_key)
        return UndoResult(response.changed_count, response.unread_count, response.version)

    async def readers(self, event_id: int, *, timeout: float | None = None) -> AsyncIterator[Reader]:
        """Who has read an event of the organisation, page by page as they are asked for.

        `timeout` holds for each page.

        Raises:
            SystemEventNotFound: the organisation has no such event.
            NoOrganization: the token's user belongs to none.
            MissingScope: the token lacks `system_events:audit`.
            Migrating: the server's database is being upgraded.
        """
        request = pb.ListReadersRequest(event_id=event_id, page_size=100)
        while True:
            page = await self._call(self._events.ListReaders, request, timeout)
            for reader in page.readers:
                yield Reader(reader.user_id, reader.read_at.ToDatetime(UTC) if reader.HasField("read_at") else None)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token


def _mark_result(response: pb.MarkReadResponse | pb.MarkUnreadResponse) -> MarkResult:
    state = None
    if response.HasField("unread_count"):
        state = UnreadState(response.unread_count, response.head, response.version)
    return MarkResult(response.changed_count, response.matched_count, response.version, state)
