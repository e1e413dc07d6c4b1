"""`/v1/unread`."""

import re
from typing import Final

from starlette.responses import JSONResponse, Response

from readstate.gateway.live.event_stream import EventStream
from readstate.gateway.live.shared import SharedStreams
from readstate.gateway.problems import Problem
from readstate.gateway.request import Request, Routes
from readstate.gateway.upstream import Upstream
from readstate.v1 import unread_pb2 as pb
from readstate.v1.unread_pb2_grpc import UnreadServiceStub

STREAM: Final = "/v1/unread/stream"
TICKET: Final = "/v1/unread/ticket"

_TICKET: Final = re.compile(r"[A-Za-z0-9_-]{1,255}", re.ASCII)


def routes(upstream: Upstream, streams: SharedStreams) -> Routes:
    stub = UnreadServiceStub(upstream.channel)

    async def get_stream(request: Request) -> Response:
        ticket = request.query.get("ticket")
        if ticket is not None and _TICKET.fullmatch(ticket) is None:
            raise Problem(401, reason="TICKET_INVALID")
        return EventStream(streams, await streams.join(request, ticket))

    async def issue_ticket(request: Request) -> Response:
        reply = await upstream.call(stub.IssueTicket, pb.IssueTicketRequest(), request)
        content = {"ticket": reply.ticket, "expires_at": reply.expires_at.ToJsonString()}
        return JSONResponse(content, headers={"cache-control": "no-store"})

    return {STREAM: {"GET": get_stream}, TICKET: {"POST": issue_ticket}}
