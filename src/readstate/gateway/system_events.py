"""`/systemevent/read`: marks events as read (POST) and unread (DELETE), as the two pages of the contract say.

People also write it with a slash at the end.
"""

from typing import Final

from starlette.responses import JSONResponse, Response

from readstate.gateway.body import event_ids
from readstate.gateway.request import Request, Routes
from readstate.gateway.upstream import Upstream
from readstate.v1.system_events_pb2 import MarkReadRequest, MarkUnreadRequest
from readstate.v1.system_events_pb2_grpc import SystemEventServiceStub

SUCCESS: Final = JSONResponse({"success": True})


def routes(upstream: Upstream) -> Routes:
    events = SystemEventServiceStub(upstream.channel)

    async def mark_read(request: Request) -> Response:
        await upstream.call(events.MarkRead, MarkReadRequest(event_ids=event_ids(request.body)), request)
        return SUCCESS

    async def mark_unread(request: Request) -> Response:
        await upstream.call(events.MarkUnread, MarkUnreadRequest(event_ids=event_ids(request.body)), request)
        return SUCCESS

    endpoints = {"POST": mark_read, "DELETE": mark_unread}
    return {"/systemevent/read": endpoints, "/systemevent/read/": endpoints}
