"""Values → replies of SystemEventService."""

from typing import Final, TypeVar

from readstate.model import EventPage, EventQuery, MarkResult, ReaderPage, SystemEvent
from readstate.rpc.page_token import TokensOf
from readstate.v1 import system_events_pb2 as pb

LARGEST_PAGE: Final = 2 << 20
"""Bytes of events in a page that can name the next one. A hundred of the largest take 7 MiB; clients of gRPC take 4 MiB
unless they are told otherwise."""

R = TypeVar("R", pb.MarkReadResponse, pb.MarkUnreadResponse)


def marked(result: MarkResult, reply_type: type[R]) -> R:
    """What MarkRead or MarkUnread did."""
    reply = reply_type(changed_count=result.changed, matched_count=result.matched, version=result.version)
    if result.state is not None:
        reply.unread_count, reply.head = result.state.unread, result.state.head
    return reply


def page(found: EventPage, wanted: EventQuery, tokens: TokensOf, org_id: str) -> pb.ListSystemEventsResponse:
    """A page of events, cut off where they would be too large together."""
    reply = pb.ListSystemEventsResponse(
        head=found.state.head,
        unread_count=found.state.unread,
        version=found.state.version,
        total=found.total,
        org_id=org_id,
    )
    size, next_before = 0, found.next_before
    for event in found.events:
        message = system_event(event)
        size += message.ByteSize()
        if size > LARGEST_PAGE and reply.events and wanted.order == "seq":
            next_before = reply.events[-1].seq
            break
        reply.events.append(message)
    reply.next_page_token = tokens.token(next_before)
    return reply


def system_event(event: SystemEvent) -> pb.SystemEvent:
    """An event, as its reader sees it."""
    return pb.SystemEvent(
        event_id=event.event_id,
        seq=event.seq,
        type=event.type,
        title=event.title,
        payload_json=event.payload,
        occurred_at=event.occurred_at,
        recorded_at=event.recorded_at,
        actor_id=event.actor_id,
        subject_id=event.subject_id,
        workspace_id=event.workspace_id,
        read=event.read,
    )


def readers(found: ReaderPage, tokens: TokensOf) -> pb.ListReadersResponse:
    """A page of readers."""
    return pb.ListReadersResponse(
        readers=[pb.Reader(user_id=reader.user_id, read_at=reader.read_at) for reader in found.readers],
        next_page_token=tokens.token(found.next_after),
    )
