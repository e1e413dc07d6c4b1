"""SystemEventService."""

from functools import cache

from readstate.identity.organizations import OrganizationIds
from readstate.model import MarkResult, OrgMember, UnreadState
from readstate.rpc import call, caller, fields
from readstate.rpc.call import Context
from readstate.rpc.idempotency import Idempotency
from readstate.rpc.page_token import TokensOf
from readstate.rpc.system_events import convert, render
from readstate.rpc.system_events.query import query
from readstate.rpc.unread.hub import Hub
from readstate.store.events import EventStore
from readstate.store.inbox import undo_token
from readstate.store.inbox.store import InboxStore
from readstate.store.marks.store import MarkStore
from readstate.telemetry.metrics import Metrics
from readstate.v1 import system_events_pb2 as pb
from readstate.v1 import system_events_pb2_grpc


class SystemEventService(system_events_pb2_grpc.SystemEventServiceServicer):
    """Read marks of members, and the streams of events they refer to. The proto states the rules."""

    def __init__(
        self,
        marks: MarkStore,
        inbox: InboxStore,
        events: EventStore,
        org_ids: OrganizationIds,
        idempotency: Idempotency,
        hub: Hub,
        metrics: Metrics,
    ) -> None:
        self._marks = marks
        self._inbox = inbox
        self._events = events
        self._org_ids = org_ids
        self._idempotency = idempotency
        self._hub = hub
        # Looked up once: that costs three times as much as counting.
        self._recorded = metrics.recorded
        self._ids, self._changes = cache(metrics.ids.labels), cache(metrics.changes.labels)

    async def MarkRead(self, request: pb.MarkReadRequest, _: Context) -> pb.MarkReadResponse:
        member = caller.in_organization()
        event_ids = convert.event_ids(request.event_ids)
        result = await self._marks.mark_read(member, event_ids, with_state=request.with_state)
        self._hub.wake([member])
        self._count("MarkRead", len(event_ids), result)
        return render.marked(result, pb.MarkReadResponse)

    async def MarkUnread(self, request: pb.MarkUnreadRequest, _: Context) -> pb.MarkUnreadResponse:
        member = caller.member()
        event_ids = convert.event_ids(request.event_ids)
        # Whoever is in no organisation has read nothing: the platform API, whose page this is, knows no 403 here.
        if member.org_key is None:
            nothing = UnreadState(unread=0, head=0, version=0) if request.with_state else None
            return render.marked(MarkResult(changed=0, matched=0, state=nothing), pb.MarkUnreadResponse)
        in_organization = OrgMember(member.member_key, member.org_key)
        result = await self._marks.mark_unread(in_organization, event_ids, with_state=request.with_state)
        self._hub.wake([in_organization])
        self._count("MarkUnread", len(event_ids), result)
        return render.marked(result, pb.MarkUnreadResponse)

    async def RecordSystemEvents(
        self, request: pb.RecordSystemEventsRequest, _: Context
    ) -> pb.RecordSystemEventsResponse:
        org_id = fields.name(request.org_id, "org_id")
        events = convert.new_events(request.events)

        keyed = self._idempotency.keyed(request)
        if keyed is None:
            event_ids = await self._events.record(org_id, events)
            self._hub.wake_organization(org_id)
            self._recorded.inc(len(event_ids))
            call.count(ids=len(event_ids))
            return pb.RecordSystemEventsResponse(event_ids=event_ids)
        # The store keeps the reply itself, in the transaction that the call shares with others.
        reply = await self._events.record_once(org_id, events, keyed, _reply)
        self._hub.wake_organization(org_id)
        recorded = 0 if reply.replayed else len(events)
        self._recorded.inc(recorded)
        call.count(ids=recorded)
        return self._idempotency.replied(reply, pb.RecordSystemEventsResponse)

    async def ListSystemEvents(self, request: pb.ListSystemEventsRequest, _: Context) -> pb.ListSystemEventsResponse:
        member = caller.in_organization()
        wanted, tokens = query(request, member)
        found = await self._inbox.page(member, wanted)
        return render.page(found, wanted, tokens, await self._org_ids.of(member.org_key))

    async def GetUnreadCount(self, _: pb.GetUnreadCountRequest, __: Context) -> pb.GetUnreadCountResponse:
        state = await self._inbox.unread_count(caller.in_organization())
        return pb.GetUnreadCountResponse(unread_count=state.unread, head=state.head, version=state.version)

    async def MarkAllRead(self, request: pb.MarkAllReadRequest, _: Context) -> pb.MarkAllReadResponse:
        member = caller.in_organization()
        up_to = convert.up_to(request)

        async def mark() -> pb.MarkAllReadResponse:
            result = await self._inbox.mark_all_read(member, up_to)
            self._count_changes("MarkAllRead", result.changed)
            return pb.MarkAllReadResponse(
                changed_count=result.changed,
                unread_count=result.unread,
                version=result.version,
                undo_token=result.undo_token,
            )

        reply = await self._idempotency.once(request, pb.MarkAllReadResponse, mark)
        self._hub.wake([member])
        return reply

    async def UndoMarkAllRead(self, request: pb.UndoMarkAllReadRequest, _: Context) -> pb.UndoMarkAllReadResponse:
        member = caller.in_organization()
        undo_token.ranges(request.undo_token, member)  # raises InvalidUndoToken, before the key is judged

        async def undo() -> pb.UndoMarkAllReadResponse:
            result = await self._inbox.undo_mark_all(member, request.undo_token)
            self._count_changes("UndoMarkAllRead", result.changed)
            return pb.UndoMarkAllReadResponse(
                changed_count=result.changed, unread_count=result.unread, version=result.version
            )

        reply = await self._idempotency.once(request, pb.UndoMarkAllReadResponse, undo)
        self._hub.wake([member])
        return reply

    async def ListReaders(self, request: pb.ListReadersRequest, _: Context) -> pb.ListReadersResponse:
        member = caller.in_organization()
        limit = fields.page_size(request.page_size)
        tokens = TokensOf("ListReaders", member.org_key, pb.ListReadersRequest(event_id=request.event_id))
        after = tokens.position(request.page_token)
        found = await self._inbox.readers(member.org_key, request.event_id, after, limit)
        return render.readers(found, tokens)

    def _count(self, method: str, ids: int, result: MarkResult) -> None:
        self._ids(method).inc(ids)
        self._count_changes(method, result.changed)
        call.count(ids=ids)

    def _count_changes(self, method: str, changed: int) -> None:
        self._changes(method).inc(changed)
        call.count(changed=changed)


def _reply(event_ids: list[int]) -> bytes:
    return pb.RecordSystemEventsResponse(event_ids=event_ids).SerializeToString(deterministic=True)
