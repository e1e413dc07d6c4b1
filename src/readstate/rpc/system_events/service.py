"""SystemEventService."""

from functools import cache

from readstate.model import MarkResult, OrgMember
from readstate.rpc import call, caller, fields
from readstate.rpc.call import Context
from readstate.rpc.idempotency import Idempotency
from readstate.rpc.system_events import convert
from readstate.store.events import EventStore
from readstate.store.marks.store import MarkStore
from readstate.telemetry.metrics import Metrics
from readstate.v1 import system_events_pb2 as pb
from readstate.v1 import system_events_pb2_grpc


class SystemEventService(system_events_pb2_grpc.SystemEventServiceServicer):
    """Read marks of members, and the streams of events they refer to. The proto states the rules."""

    def __init__(self, marks: MarkStore, events: EventStore, idempotency: Idempotency, metrics: Metrics) -> None:
        self._marks = marks
        self._events = events
        self._idempotency = idempotency
        # Looked up once: that costs three times as much as counting.
        self._ids, self._changes = cache(metrics.ids.labels), cache(metrics.changes.labels)

    async def MarkRead(self, request: pb.MarkReadRequest, _: Context) -> pb.MarkReadResponse:
        member = caller.in_organization()
        event_ids = convert.event_ids(request.event_ids)
        result = await self._marks.mark_read(member, event_ids)
        self._count("MarkRead", len(event_ids), result)
        return pb.MarkReadResponse(changed_count=result.changed, matched_count=result.matched)

    async def MarkUnread(self, request: pb.MarkUnreadRequest, _: Context) -> pb.MarkUnreadResponse:
        member = caller.member()
        event_ids = convert.event_ids(request.event_ids)
        # Whoever is in no organisation has read nothing: the seed names no 403 for this method.
        if member.org_key is None:
            return pb.MarkUnreadResponse()
        result = await self._marks.mark_unread(OrgMember(member.member_key, member.org_key), event_ids)
        self._count("MarkUnread", len(event_ids), result)
        return pb.MarkUnreadResponse(changed_count=result.changed, matched_count=result.matched)

    async def RecordSystemEvents(
        self, request: pb.RecordSystemEventsRequest, _: Context
    ) -> pb.RecordSystemEventsResponse:
        org_id = fields.name(request.org_id, "org_id")
        events = convert.new_events(request.events)

        keyed = self._idempotency.keyed(request)
        if keyed is None:
            event_ids = await self._events.record(org_id, events)
            call.count(ids=len(event_ids))
            return pb.RecordSystemEventsResponse(event_ids=event_ids)
        # The store keeps the reply itself, in the transaction that the call shares with others.
        reply = await self._events.record_once(org_id, events, keyed, _reply)
        call.count(ids=0 if reply.replayed else len(events))
        return self._idempotency.replied(reply, pb.RecordSystemEventsResponse)

    def _count(self, method: str, ids: int, result: MarkResult) -> None:
        self._ids(method).inc(ids)
        self._changes(method).inc(result.changed)
        call.count(ids=ids, changed=result.changed)


def _reply(event_ids: list[int]) -> bytes:
    return pb.RecordSystemEventsResponse(event_ids=event_ids).SerializeToString(deterministic=True)
