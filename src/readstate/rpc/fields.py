"""Single fields of messages → values. Every error names the field by its path in the request."""

import json
import math
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from readstate.errors import InvalidRequest

MOST_ENTRIES: Final = 10_000
"""Entries of any list in a request."""
LONGEST_NAME: Final = 255
LONGEST_TITLE: Final = 1_000
LARGEST_PAYLOAD: Final = 65_536
"""Bytes of a payload as JSON text."""

T = TypeVar("T")


def name(text: str, field: str, *, longest: int = LONGEST_NAME) -> str:
    """An id or a type: 1 to `longest` characters, none of them a control character."""
    if not 1 <= len(text) <= longest:
        raise InvalidRequest(field, f"must have 1 to {longest} characters")
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise InvalidRequest(field, "must not hold control characters")
    return text


def text(value: str, field: str, *, longest: int) -> str:
    """Text for people: at most `longest` characters. PostgreSQL cannot hold the character NUL."""
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


def user_ids(entries: Sequence[str]) -> list[str]:
    """The distinct users of a request."""
    names = (name(entry, f"user_ids[{i}]") for i, entry in enumerate(bounded_list(entries, "user_ids")))
    return list(dict.fromkeys(names))
