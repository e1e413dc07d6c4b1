"""`/demo`: two people side by side, a button that records events, and the bell live in both.

Only `readstate dev` has it.
demo_page/readstate.js is made of clients/typescript by `npm run demo`. A test there keeps it the same.
"""

import ipaddress
import secrets
from importlib.resources import files
from typing import Final

from starlette.responses import JSONResponse, Response

from readstate.config import TokenSettings
from readstate.gateway.body import json_object
from readstate.gateway.problems import Problem
from readstate.gateway.request import Endpoint, Request, Routes
from readstate.gateway.upstream import Upstream
from readstate.identity.tokens import sign
from readstate.v1 import system_events_pb2 as pb
from readstate.v1.system_events_pb2_grpc import SystemEventServiceStub

ORGANIZATION: Final = "acme"
USERS: Final = ("ada", "grace")
SCOPE: Final = "messaging:read messaging:update system_events:write"
TOKEN_SECONDS: Final = 300
MOST_EVENTS: Final = 100

_FILES: Final = {
    "/demo": ("page.html", "text/html"),
    "/demo/page.css": ("page.css", "text/css"),
    "/demo/page.js": ("page.js", "text/javascript"),
    "/demo/readstate.js": ("readstate.js", "text/javascript"),
}
_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
}
_KINDS: Final = (
    ("deployment.finished", "Deployment finished"),
    ("invoice.issued", "Invoice issued"),
    ("bucket.created", "Bucket created"),
    ("repo.updated", "Repository updated"),
)


def is_loopback(address: str) -> bool:
    """Whether `HOST:PORT`, or a host alone, names this machine and nothing else."""
    host = address if address.endswith("]") or ":" not in address else address.rpartition(":")[0]
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def routes(upstream: Upstream, tokens: TokenSettings) -> Routes:
    """The page and what it calls. It hands out tokens, so only a gateway that listens on this machine may have it."""
    stub = SystemEventServiceStub(upstream.channel)

    async def make_token(request: Request) -> Response:
        # A page elsewhere may give its own name this address, and then read the answer.
        if not is_loopback(request.headers.get(b"host", b"").decode("latin-1")):
            raise Problem(403)
        user = (json_object(request.body) or {}).get("user")
        if user not in USERS:
            raise Problem(404)
        token = sign(tokens, user=user, org=ORGANIZATION, scope=SCOPE, expires_in=TOKEN_SECONDS)
        return JSONResponse({"token": token, "expires_in": TOKEN_SECONDS}, headers={"cache-control": "no-store"})

    async def record(request: Request) -> Response:
        # It acts with the token of the request, and so can do no more than its sender.
        count = (json_object(request.body) or {}).get("count", 1)
        if type(count) is not int or not 1 <= count <= MOST_EVENTS:
            raise Problem(400)
        message = pb.RecordSystemEventsRequest(org_id=ORGANIZATION, events=[_event() for _ in range(count)])
        reply = await upstream.call(stub.RecordSystemEvents, message, request)
        return JSONResponse({"ids": list(reply.event_ids)})

    pages = {path: {"GET": _file(name, media_type)} for path, (name, media_type) in _FILES.items()}
    return {**pages, "/demo/token": {"POST": make_token}, "/demo/events": {"POST": record}}


def _event() -> pb.NewSystemEvent:
    kind, title = secrets.choice(_KINDS)
    event = pb.NewSystemEvent(type=kind, title=title, actor_id="grace", subject_id=kind.partition(".")[0])
    event.payload["actor"] = {"name": "Grace", "email": "grace@acme.example"}
    return event


def _file(name: str, media_type: str) -> Endpoint:
    content = files(__package__).joinpath("demo_page", name).read_bytes()
    response = Response(content, media_type=media_type, headers=_HEADERS)

    async def get(_: Request) -> Response:
        return response

    return get
