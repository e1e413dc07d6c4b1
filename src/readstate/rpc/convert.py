"""Messages → values, judged field by field. Every error names the field by its path in the request."""

import json
import math
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from readstate.errors import InvalidEventIds, InvalidRequest, TooManyEventIds
from readstate.model import LARGEST_EVENT_ID, NewMember, NewSystemEvent
from readstate.v1 import directory_pb2, system_events_pb2

MOST_ENTRIES: Final = 10_000
"""Entries of any list in a request."""
LONGEST_NAME: Final = 255
LONGEST_TITLE: Final = 1_000
LARGEST_PAYLOAD: Final = 65_536
"""Bytes of a payload as JSON text."""

T = TypeVar("T")


def event_ids(entries: Sequence[int]) -> list[int]:
    """The distinct positive ids.

    Raises:
        TooManyEventIds: more than 10,000 entries, duplicates included.
        InvalidEventIds: no entry is positive.
    """
    if len(entries) > MOST_ENTRIES:
        raise TooManyEventIds(MOST_ENTRIES)
    positive = [event_id for event_id in dict.fromkeys(entries) if event_id > 0]
    if not positive:
        raise InvalidEventIds
    return positive


def name(text: str, field: str, *, longest: int = LONGEST_NAME) -> str:
    """An id or a type: 1 to `longest` characters, none of them a control character."""
    if not 1 <= len(text) <= longest:
        raise InvalidRequest(field, f"must have 1 to {longest} characters")
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise InvalidRequest(field, "must not hold control characters")
    return text


def text(value: str, field: str, *, longest: int) -> str:
    """Text for people: at most `longest` characters. NUL is the one character that PostgreSQL cannot hold."""
    if len(value) > longest:
        raise InvalidRequest(field, f"must have at most {longest} characters")
    if "\0" in value:
        raise InvalidRequest(field, "must not hold the character NUL")
    return value


def bounded_list(entries: Sequence[T], field: str) -> Sequence[T]:
    """A list of 1 to 10,000 entries."""
    if not 1 <= len(entries) <= MOST_ENTRIES:
        raise InvalidRequest(field, f"must have 1 to {MOST_ENTRIES} entries")
    return entries


def new_events(messages: Sequence[system_events_pb2.NewSystemEvent]) -> list[NewSystemEvent]:
    """The events of a request."""
    return [_new_event(message, f"events[{i}]") for i, message in enumerate(bounded_list(messages, "events"))]


def _new_event(message: system_events_pb2.NewSystemEvent, path: str) -> NewSystemEvent:
    return NewSystemEvent(
        event_id=_event_id(message.event_id, f"{path}.event_id") if message.HasField("event_id") else None,
        type=name(message.type, f"{path}.type"),
        title=text(message.title, f"{path}.title", longest=LONGEST_TITLE),
        payload=json_object(message.payload, f"{path}.payload") if message.HasField("payload") else None,
        occurred_at=moment(message.occurred_at, f"{path}.occurred_at") if message.HasField("occurred_at") else None,
    )


def _event_id(value: int, field: str) -> int:
    if not 1 <= value <= LARGEST_EVENT_ID:
        raise InvalidRequest(field, f"must be from 1 to {LARGEST_EVENT_ID}")
    return value


def moment(message: Timestamp, field: str) -> datetime:
    """A time from year 1 to 9999, which Timestamp, Python and PostgreSQL all hold; microseconds are kept."""
    try:
        return message.ToDatetime(UTC)
    except (ValueError, OverflowError):
        raise InvalidRequest(field, "must be a time from year 1 to year 9999") from None


def json_object(message: Struct, field: str) -> str:
    """A Struct as JSON text that `jsonb` takes."""
    for leaf in _leaves(message):
        if isinstance(leaf, float) and not math.isfinite(leaf):
            raise InvalidRequest(field, "must not hold NaN or infinity")
        if isinstance(leaf, str) and "\0" in leaf:
            raise InvalidRequest(field, "must not hold the character NUL")
    document = json.dumps(MessageToDict(message), ensure_ascii=False, allow_nan=False)
    if len(document.encode()) > LARGEST_PAYLOAD:
        raise InvalidRequest(field, f"must take at most {LARGEST_PAYLOAD} bytes as JSON")
    return document


def _leaves(message: Struct) -> Iterable[object]:
    """Every key, text and number."""
    pending: list[Any] = list(message.fields.items())
    while pending:
        key, value = pending.pop()
        yield key
        match value.WhichOneof("kind"):
            case "struct_value":
                pending.extend(value.struct_value.fields.items())
            case "list_value":
                pending.extend(("", item) for item in value.list_value.values)
            case "number_value":
                yield value.number_value
            case "string_value":
                yield value.string_value


def new_members(messages: Sequence[directory_pb2.NewMember]) -> list[NewMember]:
    """The members of a request, each user at most once."""
    members = [_new_member(message, f"members[{i}]") for i, message in enumerate(bounded_list(messages, "members"))]
    seen: set[str] = set()
    for i, member in enumerate(members):
        if member.user_id in seen:
            raise InvalidRequest(f"members[{i}].user_id", "names a user who is in the list already")
        seen.add(member.user_id)
    return members


def _new_member(message: directory_pb2.NewMember, path: str) -> NewMember:
    return NewMember(
        user_id=name(message.user_id, f"{path}.user_id"),
        org_id=name(message.org_id, f"{path}.org_id") if message.HasField("org_id") else None,
    )


def user_ids(entries: Sequence[str]) -> list[str]:
    """The distinct users of a request."""
    names = (name(entry, f"user_ids[{i}]") for i, entry in enumerate(bounded_list(entries, "user_ids")))
    return list(dict.fromkeys(names))
