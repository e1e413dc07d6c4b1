"""Notifications as columns and back."""

import dataclasses
import json

from readstate.model import Actor, ActorType, Entity, Notification, NotificationContent, Priority
from readstate.store.pool import Row


def columns(content: NotificationContent) -> tuple[str | None, ...]:
    """Category, title, body, priority, sender and resource, as CREATE_NOTIFICATIONS takes them."""
    return (
        content.category,
        content.title,
        content.body,
        content.priority.value,
        _document(content.sender),
        _document(content.resource),
    )


def _document(party: Actor | Entity | None) -> str | None:
    if party is None:
        return None
    fields = dataclasses.asdict(party)
    if isinstance(party, Actor):
        fields["type"] = party.type.value
    return json.dumps(fields, ensure_ascii=False)


def notification(row: Row) -> Notification:
    """The value of a row."""
    return Notification(
        id=row["id"],
        content=NotificationContent(
            category=row["category"],
            title=row["title"],
            body=row["body"],
            priority=Priority(row["priority"]),
            sender=_actor(row["sender"]),
            resource=_entity(row["resource"]),
        ),
        seen_at=row["seen_at"],
        read_at=row["read_at"],
        dismissed_at=row["dismissed_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _actor(document: str | None) -> Actor | None:
    if document is None:
        return None
    fields = json.loads(document)
    return Actor(**{**fields, "type": ActorType(fields["type"])})


def _entity(document: str | None) -> Entity | None:
    return None if document is None else Entity(**json.loads(document))
