"""`/v1/messaging/notifications`: a member's notifications, in the form of the messaging API.

What a request says is passed on even if it is not valid. The server first checks who is calling, and then the fields.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from starlette.datastructures import QueryParams
from starlette.responses import Response

from readstate.gateway import notification_json as write
from readstate.gateway.body import json_object
from readstate.gateway.etag import validated
from readstate.gateway.message_json import words
from readstate.gateway.request import Request, Routes
from readstate.gateway.upstream import Upstream
from readstate.v1 import notifications_pb2 as pb
from readstate.v1.notifications_pb2_grpc import NotificationServiceStub

ROOT: Final = "/v1/messaging"

_STATUSES: Final[dict[str, Any]] = {
    word: number
    for number, word in words(pb.NotificationStatus.DESCRIPTOR).items()
    if number != pb.NOTIFICATION_STATUS_UNSPECIFIED
}
_NOT_A_STATUS: Final = -1
_NOT_A_LIMIT: Final = 0
_NOT_AN_ID: Final = ""


def routes(upstream: Upstream) -> Routes:
    stub = NotificationServiceStub(upstream.channel)

    def action(method: Any, request_type: Any) -> Callable[[Request], Awaitable[Response]]:
        async def act(request: Request) -> Response:
            message = request_type(id=request.parameters["id"], include=_include(request.query))
            reply, headers = await upstream.call_once(method, message, request)
            return _json(write.notification(reply.notification), headers)

        return act

    async def get_one(request: Request) -> Response:
        message = pb.GetNotificationRequest(id=request.parameters["id"], include=_include(request.query))
        reply = await upstream.call(stub.GetNotification, message, request)
        return _json(write.notification(reply.notification))

    async def get_list(request: Request) -> Response:
        reply = await upstream.call(stub.ListNotifications, _list_request(request.query), request)
        return validated(_json(write.page(reply)), request)

    async def get_summary(request: Request) -> Response:
        reply = await upstream.call(stub.GetUnreadSummary, pb.GetUnreadSummaryRequest(), request)
        return validated(_json(write.summary(reply)), request)

    async def mark_all_read(request: Request) -> Response:
        message = pb.MarkAllNotificationsReadRequest(up_to=_up_to(request.body))
        reply, headers = await upstream.call_once(stub.MarkAllNotificationsRead, message, request)
        return _json(write.marked(reply), headers)

    async def mark_all_seen(request: Request) -> Response:
        message = pb.MarkAllNotificationsSeenRequest(up_to=_up_to(request.body))
        reply, headers = await upstream.call_once(stub.MarkAllNotificationsSeen, message, request)
        return _json(write.marked(reply), headers)

    one = f"{ROOT}/notifications/{{id}}"
    return {
        f"{ROOT}/notifications": {"GET": get_list},
        f"{ROOT}/notifications/unread-summary": {"GET": get_summary},
        f"{ROOT}/notifications/actions/mark-all-seen": {"POST": mark_all_seen},
        f"{ROOT}/notifications/actions/mark-all-read": {"POST": mark_all_read},
        one: {"GET": get_one},
        f"{one}/actions/seen": {"POST": action(stub.MarkNotificationSeen, pb.MarkNotificationSeenRequest)},
        f"{one}/actions/read": {"POST": action(stub.MarkNotificationRead, pb.MarkNotificationReadRequest)},
        f"{one}/actions/dismiss": {"POST": action(stub.DismissNotification, pb.DismissNotificationRequest)},
    }


def _json(text: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(text, headers=headers, media_type="application/json")


def _include(query: QueryParams) -> list[str]:
    """`include[]=sender&include[]=resource` and `include=sender,resource` say the same."""
    listed = [name for value in query.getlist("include") for name in value.split(",")]
    return [*query.getlist("include[]"), *listed]


def _list_request(query: QueryParams) -> pb.ListNotificationsRequest:
    message = pb.ListNotificationsRequest(include=_include(query))
    if "status" in query:
        message.status = _STATUSES.get(query["status"], _NOT_A_STATUS)
    if "limit" in query:
        message.limit = _limit(query["limit"])
    if "category" in query:
        message.category = query["category"]
    if "cursor" in query:
        message.cursor = query["cursor"]
    return message


def _limit(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else _NOT_A_LIMIT


def _up_to(body: bytes) -> str | None:
    """The notification that the body names; None where it names none."""
    if not body:
        return None
    fields = json_object(body)
    if fields is None:
        return _NOT_AN_ID
    up_to = fields.get("up_to")
    return up_to if up_to is None or _is_text(up_to) else _NOT_AN_ID


def _is_text(value: object) -> bool:
    # JSON can hold a lone surrogate. UTF-8 cannot, and so protobuf cannot.
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)
