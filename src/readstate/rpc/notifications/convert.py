"""Messages of NotificationService ↔ values. Requests are judged field by field."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.timestamp_pb2 import Timestamp

from readstate.errors import InvalidRequest
from readstate.model import Notification, NotificationContent, NotificationQuery, Priority, Status
from readstate.rpc import fields, page_token
from readstate.v1 import notifications_pb2 as pb

LONGEST_BODY: Final = 2_000
LONGEST_URL: Final = 2_048
INCLUDABLE: Final = frozenset(("sender", "resource"))


def _words(enum: EnumDescriptor) -> dict[int, str]:
    """The words that stand in the database for an enum's numbers: `api_key` for ACTOR_TYPE_API_KEY. 0 has none.

    The gateway makes the same words for its clients. It shares no code with the server: each has a contract to keep.
    """
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return {value.number: value.name.removeprefix(prefix).lower() for value in enum.values if value.number}


PRIORITIES: Final = {number: Priority(word) for number, word in _words(pb.NotificationPriority.DESCRIPTOR).items()}
STATUSES: Final = {number: Status(word) for number, word in _words(pb.NotificationStatus.DESCRIPTOR).items()}
ACTOR_TYPES: Final = _words(pb.ActorType.DESCRIPTOR)

_PRIORITY_NUMBERS: Final[dict[str, Any]] = {word: number for number, word in PRIORITIES.items()}
_STATUS_NUMBERS: Final[dict[Status, Any]] = {status: number for number, status in STATUSES.items()}
_ACTOR_TYPE_NUMBERS: Final = {word: number for number, word in ACTOR_TYPES.items()}

_WITH_HANDLE: Final = frozenset((pb.ACTOR_TYPE_USER, pb.ACTOR_TYPE_API_KEY))
_WITH_AVATAR: Final = frozenset((pb.ACTOR_TYPE_USER,))

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = 86_400


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
        sender=_sender(request.sender) if request.HasField("sender") else None,
        resource=_document(request.resource, "resource") if request.HasField("resource") else None,
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


def _sender(message: pb.Actor) -> str:
    if message.type not in ACTOR_TYPES:
        raise InvalidRequest("sender.type", "must be a known type of actor")
    if message.HasField("handle") and message.type not in _WITH_HANDLE:
        raise InvalidRequest("sender.handle", "is only for actors of the types user and api_key")
    if message.HasField("avatar_url") and message.type not in _WITH_AVATAR:
        raise InvalidRequest("sender.avatar_url", "is only for actors of the type user")
    return _document(message, "sender")


def _document(message: pb.Actor | pb.Entity, path: str) -> str:
    """A sender or a resource as it is stored: a JSON object of the message's fields, null for what is absent."""
    document: dict[str, str | None] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.has_presence and not message.HasField(field.name):
            document[field.name] = None
        elif field.enum_type is not None:
            document[field.name] = ACTOR_TYPES[value]
        else:
            longest = LONGEST_URL if field.name == "avatar_url" else fields.LONGEST_NAME
            document[field.name] = fields.name(value, f"{path}.{field.name}", longest=longest)
    return json.dumps(document, ensure_ascii=False)


def query(request: pb.ListNotificationsRequest) -> NotificationQuery:
    """Which page a request asks for."""
    return NotificationQuery(
        status=_status(request.status),
        category=fields.name(request.category, "category") if request.HasField("category") else None,
        before=page_token.position(request.cursor, "cursor") if request.HasField("cursor") else None,
        limit=_limit(request.limit) if request.HasField("limit") else fields.DEFAULT_PAGE,
        included=include(request.include),
    )


def _status(number: pb.NotificationStatus) -> Status | None:
    if number == pb.NOTIFICATION_STATUS_UNSPECIFIED:
        return None
    if number not in STATUSES:
        raise InvalidRequest("status", "must be a known status")
    return STATUSES[number]


def _limit(value: int) -> int:
    if not 1 <= value <= fields.LONGEST_PAGE:
        raise InvalidRequest("limit", f"must be from 1 to {fields.LONGEST_PAGE}")
    return value


def render(value: Notification, included: frozenset[str], message: pb.Notification) -> None:
    """Fill in the message of a notification.

    In place, where it stands in the reply: a message that is put into another one is copied. A list renders up to a
    hundred of these (docs/decisions/0012-hot-path.md). So the fields are written out, which is faster than a loop over
    their names, and mypy reads it.
    """
    message.id = value.id
    message.category = value.category
    message.title = value.title
    if value.body is not None:
        message.body = value.body
    message.status = _STATUS_NUMBERS[value.status]
    message.priority = _PRIORITY_NUMBERS[value.priority]
    if value.sender is not None and "sender" in included:
        _set_party(message.sender, value.sender)
    if value.resource is not None and "resource" in included:
        _set_party(message.resource, value.resource)
    if value.seen_at is not None:
        _set_time(message.seen_at, value.seen_at)
    if value.read_at is not None:
        _set_time(message.read_at, value.read_at)
    if value.dismissed_at is not None:
        _set_time(message.dismissed_at, value.dismissed_at)
    _set_time(message.created_at, value.created_at)
    _set_time(message.updated_at, value.updated_at)


def _set_party(message: pb.Actor | pb.Entity, document: str) -> None:
    """A sender or a resource from what `_document` made of it."""
    for name, value in json.loads(document).items():
        if value is not None:
            is_enum = name == "type" and isinstance(message, pb.Actor)
            setattr(message, name, _ACTOR_TYPE_NUMBERS[value] if is_enum else value)


def _set_time(message: Timestamp, moment: datetime) -> None:
    # `Timestamp.FromDatetime` takes four times as long. `moment.timestamp()` is a float, which is too short for the
    # microseconds of a distant time.
    since = moment - _EPOCH
    message.seconds, message.nanos = since.days * _DAY + since.seconds, since.microseconds * 1_000
