"""Requests of SystemEventService → values."""

from collections.abc import Sequence
from datetime import datetime

from readstate.errors import InvalidEventIds, InvalidRequest, TooManyEventIds
from readstate.model import LARGEST_EVENT_ID, NewSystemEvent
from readstate.rpc import fields
from readstate.v1 import system_events_pb2 as pb


def event_ids(entries: Sequence[int]) -> list[int]:
    """The distinct positive ids.

    Raises:
        TooManyEventIds: more than 10,000 entries, duplicates included.
        InvalidEventIds: no entry is positive.
    """
    if len(entries) > fields.MOST_ENTRIES:
        raise TooManyEventIds(fields.MOST_ENTRIES)
    positive = [event_id for event_id in dict.fromkeys(entries) if event_id > 0]
    if not positive:
        raise InvalidEventIds
    return positive


def new_events(messages: Sequence[pb.NewSystemEvent]) -> list[NewSystemEvent]:
    """The events of a request."""
    return [_new_event(message, f"events[{i}]") for i, message in enumerate(fields.bounded_list(messages, "events"))]


def _new_event(message: pb.NewSystemEvent, path: str) -> NewSystemEvent:
    return NewSystemEvent(
        event_id=_event_id(message.event_id, f"{path}.event_id") if message.HasField("event_id") else None,
        type=fields.name(message.type, f"{path}.type"),
        title=fields.text(message.title, f"{path}.title", longest=fields.LONGEST_TITLE),
        payload=fields.json_object(message.payload, f"{path}.payload") if message.HasField("payload") else None,
        occurred_at=_occurred_at(message, f"{path}.occurred_at"),
        actor_id=fields.optional_name(message, "actor_id", path),
        subject_id=fields.optional_name(message, "subject_id", path),
        workspace_id=fields.optional_name(message, "workspace_id", path),
    )


def _occurred_at(message: pb.NewSystemEvent, path: str) -> datetime | None:
    return fields.moment(message.occurred_at, path) if message.HasField("occurred_at") else None


def _event_id(value: int, field: str) -> int:
    if not 1 <= value <= LARGEST_EVENT_ID:
        raise InvalidRequest(field, f"must be from 1 to {LARGEST_EVENT_ID}")
    return value


def up_to(request: pb.MarkAllReadRequest) -> int:
    """How far to mark: a position, or one above all that can be."""
    if not request.HasField("up_to"):
        raise InvalidRequest("up_to", "is required: a seq that a reply has shown, an event's or head")
    if request.up_to < 0:
        raise InvalidRequest("up_to", "must be 0 or more")
    return request.up_to
