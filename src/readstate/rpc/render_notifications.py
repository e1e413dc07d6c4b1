"""Values → messages of NotificationService."""

from datetime import datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from readstate.model import Actor, Entity, Notification
from readstate.rpc.convert_notifications import ACTOR_TYPES, PRIORITIES, STATUSES
from readstate.v1 import notifications_pb2 as pb

_PRIORITIES: Final = {value: number for number, value in PRIORITIES.items()}
_STATUSES: Final = {value: number for number, value in STATUSES.items()}
_ACTOR_TYPES: Final = {value: number for number, value in ACTOR_TYPES.items()}


def render(value: Notification, included: frozenset[str]) -> pb.Notification:
    """The message of a notification."""
    content = value.content
    return pb.Notification(
        id=value.id,
        category=content.category,
        title=content.title,
        body=content.body,
        status=_STATUSES[value.status],
        priority=_PRIORITIES[content.priority],
        sender=_actor_message(content.sender) if "sender" in included else None,
        resource=_entity_message(content.resource) if "resource" in included else None,
        seen_at=_timestamp(value.seen_at),
        read_at=_timestamp(value.read_at),
        dismissed_at=_timestamp(value.dismissed_at),
        created_at=_timestamp(value.created_at),
        updated_at=_timestamp(value.updated_at),
    )


def _actor_message(actor: Actor | None) -> pb.Actor | None:
    if actor is None:
        return None
    return pb.Actor(
        id=actor.id,
        type=_ACTOR_TYPES[actor.type],
        name=actor.name,
        handle=actor.handle,
        avatar_url=actor.avatar_url,
    )


def _entity_message(entity: Entity | None) -> pb.Entity | None:
    if entity is None:
        return None
    return pb.Entity(id=entity.id, type=entity.type, name=entity.name, handle=entity.handle)


def _timestamp(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    message = Timestamp()
    message.FromDatetime(moment)
    return message
