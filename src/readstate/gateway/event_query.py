"""`POST /systemevent`: the query of the platform API's public client. Numbers go in, names come out.

`type` is `context.event`, `subject_id` is `contextId`, `actor_id` is `userId`.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp
from starlette.responses import JSONResponse, Response

from readstate.gateway.body import json_object
from readstate.gateway.problems import Problem
from readstate.gateway.request import Request, Routes
from readstate.gateway.system_event_json import compact, optional
from readstate.gateway.unsayable import Unsayable, moment, refuse
from readstate.gateway.upstream import Upstream
from readstate.v1 import system_events_pb2 as pb
from readstate.v1.system_events_pb2_grpc import SystemEventServiceStub

CONTEXTS: Final = (
    *("workspace", "bucket", "repo", "user", "org", "workspaceuser", "apikey", "usersettings", "orgsettings"),
    *("flashbacknode", "orgkey", "aillm", "aillmapikey", "conversation"),
)
EVENTS: Final = ("created", "updated", "deleted")
"""In both, a name's place is its number."""

DEFAULT_SKIP: Final = 0
DEFAULT_TAKE: Final = 20
DEFAULT_WINDOW: Final = timedelta(hours=24)
SHOWN: Final = timedelta(milliseconds=1)
"""How exactly a time is shown."""

NAMES: Final = {
    "limit": "take",
    "occurred_from": "from_timestamp",
    "occurred_before": "to_timestamp",
    "subject_ids[0]": "contextId",
    "actor_ids[0]": "userId",
    "workspace_ids[0]": "workspaceId",
}
"""What the client calls what the server names in an error."""

_REFUSED: Final = pb.ListSystemEventsRequest(page_size=-1)
_LARGEST_INT32: Final = 2**31 - 1


def routes(upstream: Upstream) -> Routes:
    stub = SystemEventServiceStub(upstream.channel)

    async def find(request: Request) -> Response:
        try:
            message = _message(request.body, datetime.now(UTC))
        except Unsayable as found:
            await refuse(found, upstream, stub.ListSystemEvents, _REFUSED, request)
        reply = await upstream.call(stub.ListSystemEvents, message, request)
        events = [_event(event, reply.org_id) for event in reply.events]
        return JSONResponse({"events": events, "total": reply.total, "skip": message.skip, "take": message.page_size})

    async def post(request: Request) -> Response:
        try:
            return await find(request)
        except Problem as problem:
            if problem.param is not None:
                problem.message = f"{NAMES.get(problem.param, problem.param)} {problem.message}"
            raise

    return {"/systemevent": {"POST": post}}


# ── The request ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _message(body: bytes, now: datetime) -> pb.ListSystemEventsRequest:
    """What the body asks for. What is null is absent.

    Raises:
        Unsayable: a field is of another type than it has to be, or a number is in no table.
    """
    fields = json_object(body) if body else {}
    if fields is None:
        raise Unsayable("body", "must be a JSON object")
    occurred_from, occurred_before = _window(fields, now)
    return pb.ListSystemEventsRequest(
        page_size=_whole(fields, "take", DEFAULT_TAKE) or -1,  # 0 would leave it to the server
        skip=_whole(fields, "skip", DEFAULT_SKIP),
        unread_only=_flag(fields, "showUnread"),
        types=_types(_name(fields, "context", CONTEXTS), _name(fields, "event", EVENTS)),
        subject_ids=_text(fields, "contextId"),
        actor_ids=_text(fields, "userId"),
        workspace_ids=_text(fields, "workspaceId"),
        occurred_from=occurred_from,
        occurred_before=occurred_before,
        with_total=True,
        order=pb.SYSTEM_EVENT_ORDER_OCCURRED_AT,
    )


def _window(fields: dict[str, Any], now: datetime) -> tuple[datetime | None, datetime | None]:
    """From when, and before when. The client's two times are both included, as exactly as times are shown."""
    start, end = fields.get("from_timestamp"), fields.get("to_timestamp")
    if start is None and end is None:
        return now - DEFAULT_WINDOW, None
    return (
        None if start is None else _shown(moment(start, "from_timestamp")),
        None if end is None else _after(_shown(moment(end, "to_timestamp"))),
    )


def _shown(time: datetime) -> datetime:
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def _after(time: datetime) -> datetime:
    return time + min(SHOWN, datetime.max.replace(tzinfo=UTC) - time)


def _whole(fields: dict[str, Any], field: str, default: int) -> int:
    """A number, within what a message can hold; the server knows the bounds."""
    value = fields.get(field)
    if value is None:
        return default
    # Not isinstance: True is an int.
    return max(-1, min(value, _LARGEST_INT32)) if type(value) is int else -1


def _flag(fields: dict[str, Any], field: str) -> bool:
    value = fields.get(field)
    if value is not None and not isinstance(value, bool):
        raise Unsayable(field, "must be true or false")
    return bool(value)


def _text(fields: dict[str, Any], field: str) -> list[str]:
    value = fields.get(field)
    if value is None:
        return []
    # JSON can spell a lone surrogate, which UTF-8 and so protobuf cannot.
    if not isinstance(value, str) or any("\ud800" <= character <= "\udfff" for character in value):
        raise Unsayable(field, "must be a text")
    return [value]


def _name(fields: dict[str, Any], field: str, table: tuple[str, ...]) -> str | None:
    """The name that the number in a field stands for."""
    number = fields.get(field)
    if number is None:
        return None
    if type(number) is not int or not 0 <= number < len(table):
        raise Unsayable(field, f"must be from 0 to {len(table) - 1}")
    return table[number]


def _types(context: str | None, event: str | None) -> list[str]:
    """Every type of this context and event, where None stands for all of the table; nothing where both are None."""
    if context is None and event is None:
        return []
    contexts = CONTEXTS if context is None else (context,)
    events = EVENTS if event is None else (event,)
    return [f"{context}.{event}" for context in contexts for event in events]


# ── The reply ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _event(message: pb.SystemEvent, org_id: str) -> dict[str, Any]:
    """An event as the client has it. A type that is in no table is shown with its own words."""
    context, _, event = message.type.partition(".")
    payload = json.loads(message.payload_json) if message.HasField("payload_json") else None
    actor = (payload or {}).get("actor")
    return {
        "id": message.event_id,
        "timestamp": _timestamp(message.occurred_at),
        "contextId": message.subject_id,
        "context": context,
        "event": event,
        "orgId": org_id,
        "userId": message.actor_id,
        "userName": _word(actor, "name"),
        "userEmail": _word(actor, "email"),
        "workspaceId": optional(message, "workspace_id"),
        "jsonData": None if payload is None else compact(payload),
        "showUnread": not message.read,
    }


def _timestamp(message: Timestamp) -> str:
    """ISO 8601 in UTC, with milliseconds and `Z`, as JavaScript writes it."""
    return message.ToDatetime().isoformat(timespec="milliseconds") + "Z"


def _word(actor: Any, name: str) -> str:
    word = actor.get(name) if isinstance(actor, dict) else None
    return word if isinstance(word, str) else ""
