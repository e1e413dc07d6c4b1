"""System events and their readers as JSON text, field for field: what is not there is null.

Times are RFC 3339 in UTC, with `Z`.
"""

import json
from collections.abc import Iterable
from json.encoder import encode_basestring as text
from typing import Any

from google.protobuf.message import Message

from readstate.gateway.message_json import time
from readstate.v1 import system_events_pb2 as pb


def events(reply: pb.ListSystemEventsResponse) -> str:
    """A page of events, and what is unread."""
    total = {"total": reply.total} if reply.HasField("total") else {}
    return _page(map(_event, reply.events), reply.next_page_token, state(reply) | total)


def readers(reply: pb.ListReadersResponse) -> str:
    """A page of readers."""
    return _page(map(_reader, reply.readers), reply.next_page_token, {})


def state(reply: Any) -> dict[str, int]:
    """What is unread, of a reply that tells it."""
    return {"head": reply.head, "unread_count": reply.unread_count, "version": reply.version}


def optional(message: Message, name: str) -> Any:
    """The value of a field that may be absent."""
    return getattr(message, name) if message.HasField(name) else None


def compact(value: object) -> str:
    """JSON without white space."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _page(entries: Iterable[str], next_page_token: str, rest: dict[str, int]) -> str:
    end = compact({"next_cursor": next_page_token or None} | rest)
    return f'{{"object":"list","data":[{",".join(entries)}],{end[1:]}'


def _event(message: pb.SystemEvent) -> str:
    """A `system_event` object. The payload is JSON already, of up to 64 KiB: it is handed on as it is."""
    return (
        f'{{"id":{message.event_id},"object":"system_event","seq":{message.seq},"type":{text(message.type)},'
        f'"title":{text(message.title)},"actor_id":{_name(message, "actor_id")},'
        f'"subject_id":{_name(message, "subject_id")},"workspace_id":{_name(message, "workspace_id")},'
        f'"read":{"true" if message.read else "false"},"occurred_at":{time(message.occurred_at)},'
        f'"recorded_at":{time(message.recorded_at)},"payload":{optional(message, "payload_json") or "null"}}}'
    )


def _name(message: pb.SystemEvent, field: str) -> str:
    return text(getattr(message, field)) if message.HasField(field) else "null"


def _reader(message: pb.Reader) -> str:
    read_at = time(message.read_at) if message.HasField("read_at") else "null"
    return f'{{"object":"reader","user_id":{text(message.user_id)},"read_at":{read_at}}}'
