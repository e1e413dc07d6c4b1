"""`/v1/system-events`: a member's system events, what of them is unread, and marking.

What a request says is handed on as it is, also where it cannot be right: the server judges who is calling first.
"""

from typing import Any, Final, TypeVar

from starlette.datastructures import QueryParams
from starlette.responses import JSONResponse, Response

from readstate.gateway import system_event_json as write
from readstate.gateway.body import LARGEST_ID, event_ids, json_object
from readstate.gateway.etag import validated
from readstate.gateway.request import Endpoint, Request, Routes
from readstate.gateway.unsayable import Unsayable, moment, refuse
from readstate.gateway.upstream import Upstream
from readstate.v1 import system_events_pb2 as pb
from readstate.v1.system_events_pb2_grpc import SystemEventServiceStub

ROOT: Final = "/v1/system-events"

_REFUSED: Final = pb.ListSystemEventsRequest(page_size=-1)
_NOTHING_TO_MARK: Final = pb.MarkAllReadRequest()
_NOT_A_NUMBER: Final = -1
_BOOLEANS: Final = {"true": True, "false": False}

M = TypeVar("M", pb.ListSystemEventsRequest, pb.ListReadersRequest)


def routes(upstream: Upstream) -> Routes:
    stub = SystemEventServiceStub(upstream.channel)

    async def get_list(request: Request) -> Response:
        try:
            message = _list_request(request.query)
        except Unsayable as found:
            await refuse(found, upstream, stub.ListSystemEvents, _REFUSED, request)
        reply = await upstream.call(stub.ListSystemEvents, message, request)
        return validated(_json(write.events(reply)), request)

    async def get_unread_count(request: Request) -> Response:
        reply = await upstream.call(stub.GetUnreadCount, pb.GetUnreadCountRequest(), request)
        return validated(JSONResponse(write.state(reply)), request)

    async def get_readers(request: Request) -> Response:
        message = _page_of(pb.ListReadersRequest(event_id=_event_id(request.parameters["id"])), request.query)
        reply = await upstream.call(stub.ListReaders, message, request)
        return validated(_json(write.readers(reply)), request)

    async def mark_all_read(request: Request) -> Response:
        try:
            message = pb.MarkAllReadRequest(up_to=_up_to(request.body))
        except Unsayable as found:
            await refuse(found, upstream, stub.MarkAllRead, _NOTHING_TO_MARK, request)
        reply, headers = await upstream.call_once(stub.MarkAllRead, message, request)
        undo_token = write.optional(reply, "undo_token")
        return JSONResponse(_changes(reply) | {"undo_token": undo_token}, headers=headers)

    async def undo_mark_all_read(request: Request) -> Response:
        message = pb.UndoMarkAllReadRequest(undo_token=_undo_token(request.body))
        reply, headers = await upstream.call_once(stub.UndoMarkAllRead, message, request)
        return JSONResponse(_changes(reply), headers=headers)

    def mark(method: Any, request_type: Any) -> Endpoint:
        async def act(request: Request) -> Response:
            message = request_type(event_ids=event_ids(request.body), with_state=True)
            reply = await upstream.call(method, message, request)
            counts = {"changed_count": reply.changed_count, "matched_count": reply.matched_count}
            return JSONResponse(counts | write.state(reply))

        return act

    return {
        ROOT: {"GET": get_list},
        f"{ROOT}/unread-count": {"GET": get_unread_count},
        f"{ROOT}/{{id}}/readers": {"GET": get_readers},
        f"{ROOT}/actions/mark-all-read": {"POST": mark_all_read},
        f"{ROOT}/actions/undo-mark-all-read": {"POST": undo_mark_all_read},
        f"{ROOT}/actions/mark-read": {"POST": mark(stub.MarkRead, pb.MarkReadRequest)},
        f"{ROOT}/actions/mark-unread": {"POST": mark(stub.MarkUnread, pb.MarkUnreadRequest)},
    }


def _list_request(query: QueryParams) -> pb.ListSystemEventsRequest:
    """The message that a list's query says.

    Raises:
        Unsayable: a parameter is no boolean or no time, and has to be one.
    """
    message = pb.ListSystemEventsRequest(
        unread_only=_boolean(query, "unread_only"),
        types=query.getlist("types"),
        actor_ids=query.getlist("actor_ids"),
        subject_ids=query.getlist("subject_ids"),
        workspace_ids=query.getlist("workspace_ids"),
        occurred_from=moment(query["occurred_from"], "occurred_from") if "occurred_from" in query else None,
        occurred_before=moment(query["occurred_before"], "occurred_before") if "occurred_before" in query else None,
        skip=_number(query["skip"]) if "skip" in query else 0,
        with_total=_boolean(query, "with_total"),
    )
    return _page_of(message, query)


def _page_of(message: M, query: QueryParams) -> M:
    """The message, with the page of the list that the query says."""
    message.page_token = query.get("cursor", "")
    if "limit" in query:
        # 0 would leave the size to the server.
        message.page_size = _number(query["limit"]) or _NOT_A_NUMBER
    return message


def _boolean(query: QueryParams, name: str) -> bool:
    text = query.get(name, "false")
    if text not in _BOOLEANS:
        raise Unsayable(name, "must be true or false")
    return _BOOLEANS[text]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else _NOT_A_NUMBER


def _event_id(text: str) -> int:
    """The event that a path names; 0, which names none, where it cannot be one."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 19 else 0
    return number if number <= LARGEST_ID else 0


def _up_to(body: bytes) -> int | None:
    """The position that the body names; None where it names none.

    Raises:
        Unsayable: it is no position.
    """
    up_to = (json_object(body) or {}).get("up_to")
    # Not isinstance: True is an int.
    if up_to is None or (type(up_to) is int and 0 <= up_to <= LARGEST_ID):
        return up_to
    raise Unsayable("up_to", "must be a whole number from 0 to 9223372036854775807")


def _undo_token(body: bytes) -> str:
    """The token in the body; where there is none the empty text, which is no token."""
    token = (json_object(body) or {}).get("undo_token")
    return token if isinstance(token, str) and token.isascii() else ""


def _changes(reply: Any) -> dict[str, int]:
    return {"changed_count": reply.changed_count, "unread_count": reply.unread_count, "version": reply.version}


def _json(text: str) -> Response:
    return Response(text, media_type="application/json")
