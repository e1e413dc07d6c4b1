"""Messages of NotificationService ↔ values. Requests are judged field by field."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from readstate.errors import InvalidRequest
from readstate.model import (
    Actor,
    ActorType,
    Entity,
    Notification,
    NotificationContent,
    NotificationQuery,
    Priority,
    Status,
)
from readstate.rpc import fields, page_token
from readstate.v1 import notifications_pb2 as pb

LONGEST_BODY: Final = 2_000
LONGEST_URL: Final = 2_048
LONGEST_PAGE: Final = 100
DEFAULT_PAGE: Final = 50
INCLUDABLE: Final = frozenset(("sender", "resource"))

PRIORITIES: Final = {
    pb.NOTIFICATION_PRIORITY_LOW: Priority.LOW,
    pb.NOTIFICATION_PRIORITY_NORMAL: Priority.NORMAL,
    pb.NOTIFICATION_PRIORITY_HIGH: Priority.HIGH,
}
STATUSES: Final = {
    pb.NOTIFICATION_STATUS_UNSEEN: Status.UNSEEN,
    pb.NOTIFICATION_STATUS_SEEN: Status.SEEN,
    pb.NOTIFICATION_STATUS_READ: Status.READ,
    pb.NOTIFICATION_STATUS_DISMISSED: Status.DISMISSED,
}
ACTOR_TYPES: Final = {
    pb.ACTOR_TYPE_USER: ActorType.USER,
    pb.ACTOR_TYPE_GROUP: ActorType.GROUP,
    pb.ACTOR_TYPE_AGENT: ActorType.AGENT,
    pb.ACTOR_TYPE_API_KEY: ActorType.API_KEY,
}

_PRIORITY_NUMBERS: Final = {value: number for number, value in PRIORITIES.items()}
_STATUS_NUMBERS: Final = {value: number for number, value in STATUSES.items()}
_ACTOR_TYPE_NUMBERS: Final = {value: number for number, value in ACTOR_TYPES.items()}

_WITH_HANDLE: Final = frozenset((ActorType.USER, ActorType.API_KEY))
_WITH_AVATAR: Final = frozenset((ActorType.USER,))


def include(names: Iterable[str]) -> frozenset[str]:
    """What a reply is to hold of what a notification refers to."""
    wanted = frozenset(names)
    if not wanted <= INCLUDABLE:
        raise InvalidRequest("include", "must be sender, resource, or both")
    return wanted


def optional_id(value: str, field: str) -> str:
    """The id of a notification that may be left out, but not empty."""
    if not value:
        raise InvalidRequest(field, "must be the id of a notification")
    return value


def new_content(request: pb.CreateNotificationsRequest) -> NotificationContent:
    """What the notifications of a request are to tell."""
    return NotificationContent(
        category=fields.name(request.category, "category"),
        title=_title(request.title),
        body=fields.text(request.body, "body", longest=LONGEST_BODY) if request.HasField("body") else None,
        priority=_priority(request.priority),
        sender=_actor(request.sender) if request.HasField("sender") else None,
        resource=_entity(request.resource) if request.HasField("resource") else None,
    )


def _title(value: str) -> str:
    if not value:
        raise InvalidRequest("title", "must not be empty")
    return fields.text(value, "title", longest=fields.LONGEST_TITLE)


def _priority(number: pb.NotificationPriority) -> Priority:
    if number == pb.NOTIFICATION_PRIORITY_UNSPECIFIED:
        return Priority.NORMAL
    # A number of a newer contract arrives as it is.
    if number not in PRIORITIES:
        raise InvalidRequest("priority", "must be a known priority")
    return PRIORITIES[number]


def _actor(message: pb.Actor) -> Actor:
    kind = ACTOR_TYPES.get(message.type)
    if kind is None:
        raise InvalidRequest("sender.type", "must be a known type of actor")
    if message.HasField("handle") and kind not in _WITH_HANDLE:
        raise InvalidRequest("sender.handle", "is only for actors of the types user and api_key")
    if message.HasField("avatar_url") and kind not in _WITH_AVATAR:
        raise InvalidRequest("sender.avatar_url", "is only for actors of the type user")
    return Actor(
        id=fields.name(message.id, "sender.id"),
        type=kind,
        name=fields.name(message.name, "sender.name") if message.HasField("name") else None,
        handle=fields.name(message.handle, "sender.handle") if message.HasField("handle") else None,
        avatar_url=_avatar_url(message.avatar_url) if message.HasField("avatar_url") else None,
    )


def _avatar_url(value: str) -> str:
    return fields.name(value, "sender.avatar_url", longest=LONGEST_URL)


def _entity(message: pb.Entity) -> Entity:
    return Entity(
        id=fields.name(message.id, "resource.id"),
        type=fields.name(message.type, "resource.type"),
        name=fields.name(message.name, "resource.name") if message.HasField("name") else None,
        handle=fields.name(message.handle, "resource.handle") if message.HasField("handle") else None,
    )


def query(request: pb.ListNotificationsRequest) -> NotificationQuery:
    """Which page a request asks for."""
    return NotificationQuery(
        status=_status(request.status),
        category=fields.name(request.category, "category") if request.HasField("category") else None,
        before=page_token.position(request.cursor, "cursor") if request.HasField("cursor") else None,
        limit=_limit(request.limit) if request.HasField("limit") else DEFAULT_PAGE,
    )


def _status(number: pb.NotificationStatus) -> Status | None:
    if number == pb.NOTIFICATION_STATUS_UNSPECIFIED:
        return None
    if number not in STATUSES:
        raise InvalidRequest("status", "must be a known status")
    return STATUSES[number]


def _limit(value: int) -> int:
    if not 1 <= value <= LONGEST_PAGE:
        raise InvalidRequest("limit", f"must be from 1 to {LONGEST_PAGE}")
    return value


def render(value: Notification, included: frozenset[str]) -> pb.Notification:
    """The message of a notification."""
    content = value.content
    return pb.Notification(
        id=value.id,
        category=content.category,
        title=content.title,
        body=content.body,
        status=_STATUS_NUMBERS[value.status],
        priority=_PRIORITY_NUMBERS[content.priority],
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
        type=_ACTOR_TYPE_NUMBERS[actor.type],
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
