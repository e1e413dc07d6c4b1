"""Notifications as the messaging API writes them, field for field: what is not there is null."""

from typing import Any, Final

from google.protobuf.message import Message

from readstate.v1 import notifications_pb2 as pb

_TIMES: Final = ("seen_at", "read_at", "dismissed_at", "created_at", "updated_at")


def notification(message: pb.Notification) -> dict[str, Any]:
    """A `notification` object. Times are RFC 3339 in UTC, with `Z`."""
    return {
        "id": message.id,
        "object": "notification",
        "category": message.category,
        "title": message.title,
        "body": _optional(message, "body"),
        "status": _word(pb.NotificationStatus.Name(message.status)),
        "priority": _word(pb.NotificationPriority.Name(message.priority)),
        "sender": _actor(message.sender) if message.HasField("sender") else None,
        "resource": _entity(message.resource) if message.HasField("resource") else None,
        **{name: _time(message, name) for name in _TIMES},
    }


def _actor(message: pb.Actor) -> dict[str, Any]:
    return {
        "id": message.id,
        "object": "actor",
        "type": pb.ActorType.Name(message.type).removeprefix("ACTOR_TYPE_").lower(),
        "name": _optional(message, "name"),
        "handle": _optional(message, "handle"),
        "avatar_url": _optional(message, "avatar_url"),
        "role": None,
    }


def _entity(message: pb.Entity) -> dict[str, Any]:
    return {
        "id": message.id,
        "object": "entity",
        "type": message.type,
        "name": _optional(message, "name"),
        "handle": _optional(message, "handle"),
    }


def _optional(message: Message, name: str) -> Any:
    return getattr(message, name) if message.HasField(name) else None


def _time(message: pb.Notification, name: str) -> str | None:
    return getattr(message, name).ToJsonString() if message.HasField(name) else None


def _word(name: str) -> str:
    """The last word of an enum's value: `unseen` of NOTIFICATION_STATUS_UNSEEN."""
    return name.rpartition("_")[2].lower()
