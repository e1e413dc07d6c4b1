"""Messages as JSON text, in one pass: no dict is made on the way.

Dicts, and text made of them, were most of what the gateway did for a list of 50 (docs/decisions/0012-hot-path.md).
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from functools import lru_cache
from json.encoder import encode_basestring
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

Writer: TypeAlias = Callable[[Any], str]
"""Takes a value of one type, returns its JSON text."""

_NOTHING: Final[Mapping[Any, Any]] = MappingProxyType({})
_EPOCH: Final = date(1970, 1, 1)
_DAY: Final = 86_400
_MINUTES: Final = tuple(f"{minute // 60:02}:{minute % 60:02}:" for minute in range(24 * 60))
_SECONDS: Final = tuple(f"{second:02}" for second in range(60))
_THOUSANDTHS: Final = tuple(f"{number:03}" for number in range(1_000))


def message_writer(
    message_type: type[Message],
    nested: Mapping[type[Message], Writer] = _NOTHING,
    *,
    kind: str | None = None,
    names: Mapping[str, str] = _NOTHING,
    nulls: Iterable[str] = (),
) -> Writer:
    """Compile the function that writes messages of one type.

    The fields follow in the order of the proto. An enum is its value's word, a Timestamp is RFC 3339 in UTC with `Z`,
    and what is absent is null.

    - `nested`: the writers of the messages that the fields hold.
    - `kind`: the value of the field `object`, which comes after `id`, or first where there is no `id`.
    - `names`: the fields that are called otherwise than in the proto, by their name there.
    - `nulls`: the fields that the proto lacks. They come last.

    Raises:
        KeyError: a field has a type that nothing here writes.
    """
    writers = {_TIMESTAMP: time} | {inner.DESCRIPTOR.full_name: writer for inner, writer in nested.items()}
    fields: Any = message_type.DESCRIPTOR.fields
    scope: dict[str, Any] = {f"write_{field.name}": _writer(field, writers) for field in fields}
    members = [f'"{names.get(field.name, field.name)}":{{{_expression(field)}}}' for field in fields]
    if kind is not None:
        members.insert(1 if fields[0].name == "id" else 0, f'"object":"{kind}"')
    members += [f'"{name}":null' for name in nulls]
    # One f-string, as one would write it by hand: f'{{"id":{write_id(message.id)},"object":"entity","type":…}}'. A loop
    # over the fields took a fifth longer.
    source = f"""
def write(message):
    has = message.HasField
    return f'{{{{{",".join(members)}}}}}'
"""
    exec(source, scope)  # noqa: S102 - made of the names in our protos
    write: Writer = scope["write"]
    return write


def _expression(field: FieldDescriptor) -> str:
    value = f"write_{field.name}(message.{field.name})"
    return f'{value} if has("{field.name}") else "null"' if field.has_presence else value


def time(message: Timestamp) -> str:
    """A Timestamp as its `ToJsonString` writes it, quoted: with 0, 3, 6 or 9 digits of a second's fraction.

    There are up to five of them in a notification, so this looks up what it can: it takes a third of the time.
    """
    days, seconds = divmod(message.seconds, _DAY)
    minutes, seconds = divmod(seconds, 60)
    fraction = ""
    if nanos := message.nanos:
        micros, nanos = divmod(nanos, 1_000)
        millis, micros = divmod(micros, 1_000)
        fraction = f".{_THOUSANDTHS[millis]}"
        if micros or nanos:
            fraction += _THOUSANDTHS[micros]
        if nanos:
            fraction += _THOUSANDTHS[nanos]
    return f'"{_date(days)}T{_MINUTES[minutes]}{_SECONDS[seconds]}{fraction}Z"'


@lru_cache(1_000)
def _date(days: int) -> str:
    return (_EPOCH + timedelta(days)).isoformat()


def words(enum: EnumDescriptor) -> dict[int, str]:
    """The words of an enum's numbers: `api_key` for ACTOR_TYPE_API_KEY. Every value begins with the enum's name, as
    the one for 0 shows, ACTOR_TYPE_UNSPECIFIED."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return {value.number: value.name.removeprefix(prefix).lower() for value in enum.values}


_TIMESTAMP: Final = Timestamp.DESCRIPTOR.full_name
_SCALARS: Final[dict[int, Writer]] = {
    # What json.dumps calls without `ensure_ascii`.
    FieldDescriptor.TYPE_STRING: encode_basestring,
    FieldDescriptor.TYPE_INT32: str,
    FieldDescriptor.TYPE_INT64: str,
    FieldDescriptor.TYPE_BOOL: {False: "false", True: "true"}.__getitem__,
}


def _writer(field: FieldDescriptor, writers: Mapping[str, Writer]) -> Writer:
    if field.message_type is not None:
        write = writers[field.message_type.full_name]
    elif field.enum_type is not None:
        write = {number: f'"{word}"' for number, word in words(field.enum_type).items()}.__getitem__
    else:
        write = _SCALARS[field.type]
    return (lambda values: f"[{','.join(map(write, values))}]") if field.is_repeated else write
