"""Single fields of messages → values. Every error names the field by its path in the request."""

import json
import math
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from readstate.errors import InvalidRequest

MOST_ENTRIES: Final = 10_000
"""Entries of any list in a request."""
MOST_FILTER_VALUES: Final = 100
"""Entries of a list that a filter is made of."""
LONGEST_PAGE: Final = 100
DEFAULT_PAGE: Final = 50
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


def optional_name(message: Message, field: str, path: str) -> str | None:
    """The field of a message at `path`: a name, or None where it is left out."""
    return name(getattr(message, field), f"{path}.{field}") if message.HasField(field) else None


def text(value: str, field: str, *, longest: int) -> str:
    """Text for people: at most `longest` characters. PostgreSQL cannot hold the character NUL."""
    if len(value) > longest:
        raise InvalidRequest(field, f"must have at most {longest} characters")
    return _without_nul(value, field)


def bounded_list(entries: Sequence[T], field: str) -> Sequence[T]:
    """A list of 1 to 10,000 entries."""
    if not 1 <= len(entries) <= MOST_ENTRIES:
        raise InvalidRequest(field, f"must have 1 to {MOST_ENTRIES} entries")
    return entries


def filter_values(entries: Sequence[str], field: str) -> tuple[str, ...]:
    """What a filter lets pass: distinct, in one order however the request lists it, and empty for everything."""
    if len(entries) > MOST_FILTER_VALUES:
        raise InvalidRequest(field, f"must have at most {MOST_FILTER_VALUES} entries")
    return tuple(sorted({name(entry, f"{field}[{i}]") for i, entry in enumerate(entries)}))


def page_size(value: int) -> int:
    """The field `page_size`: how many entries a page may have, 0 for the server's choice."""
    if not 0 <= value <= LONGEST_PAGE:
        raise InvalidRequest("page_size", f"must be from 1 to {LONGEST_PAGE}")
    return value or DEFAULT_PAGE


def moment(message: Timestamp, field: str) -> datetime:
    """A time from year 1 to 9999, which Timestamp, Python and PostgreSQL all hold; microseconds are kept."""
    try:
        return message.ToDatetime(UTC)
    except (ValueError, OverflowError):
        raise InvalidRequest(field, "must be a time from year 1 to year 9999") from None


def json_object(message: Struct, field: str) -> str:
    """A Struct as JSON text that `jsonb` takes."""
    document = json.dumps(_object(message, field), ensure_ascii=False)
    if len(document.encode()) > LARGEST_PAYLOAD:
        raise InvalidRequest(field, f"must take at most {LARGEST_PAYLOAD} bytes as JSON")
    return document


def _object(message: Struct, field: str) -> dict[str, Any]:
    return {_without_nul(key, field): _value(value, field) for key, value in message.fields.items()}


def _value(value: Value, field: str) -> Any:
    match value.WhichOneof("kind"):
        case "string_value":
            return _without_nul(value.string_value, field)
        case "number_value":
            return _number(value.number_value, field)
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return _object(value.struct_value, field)
        case "list_value":
            return [_value(item, field) for item in value.list_value.values]
    return None


def _number(value: float, field: str) -> int | float:
    """A whole number as an int: 3 and not 3.0, and with all digits that PostgreSQL will write of a large one."""
    if not math.isfinite(value):
        raise InvalidRequest(field, "must not hold NaN or infinity")
    return int(Decimal(repr(value))) if value.is_integer() else value


def _without_nul(text: str, field: str) -> str:
    if "\0" in text:
        raise InvalidRequest(field, "must not hold the character NUL")
    return text


def user_ids(entries: Sequence[str]) -> list[str]:
    """The distinct users of a request."""
    names = (name(entry, f"user_ids[{i}]") for i, entry in enumerate(bounded_list(entries, "user_ids")))
    return list(dict.fromkeys(names))
