"""Every answer that is not a success, and how it is written."""

from math import ceil
from typing import Final

import grpc
from google.rpc import error_details_pb2
from grpc import StatusCode
from starlette.responses import JSONResponse, Response

from readstate.errors import DOMAIN, unpack_details

STATUS: Final = {
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.UNAUTHENTICATED: 401,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.NOT_FOUND: 404,
    StatusCode.ABORTED: 409,
    StatusCode.RESOURCE_EXHAUSTED: 429,
    StatusCode.CANCELLED: 503,  # the server is stopping. A call that the gateway cancels has no client left
    StatusCode.UNAVAILABLE: 503,
    StatusCode.DEADLINE_EXCEEDED: 504,
}
"""Every other code is 500. The reasons below have a status of their own."""
REASONS: Final = {"IDEMPOTENCY_KEY_REUSED": 422, "MIGRATING": 503}
PARAMS: Final = {"page_size": "limit", "page_token": "cursor", "event_ids": "ids"}
"""What REST calls fields of the contract, where it calls them anything else."""

MESSAGES: Final = {
    400: "Bad request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Request body too large",
    415: "Unsupported content encoding",
    422: "Unprocessable content",
    429: "Too many requests",
    500: "Internal server error",
    503: "Service unavailable",
    504: "Gateway timeout",
}
"""Our words, which say nothing internal. If the server's words are about the request, they are used instead."""
ABOUT_THE_REQUEST: Final = frozenset((400, 403, 404, 409, 422))

V1: Final = "/v1/"
"""Below this path an error is an object. Elsewhere it is a text."""


class Problem(Exception):
    """An answer that is not a success. `message` reaches the client."""

    def __init__(
        self,
        status: int,
        message: str | None = None,
        headers: dict[str, str] | None = None,
        *,
        reason: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message or MESSAGES[status]
        self.headers = headers or {}
        self.code = (reason or MESSAGES[status].replace(" ", "_")).lower()
        self.param = param


def from_grpc(error: grpc.aio.AioRpcError) -> Problem:
    """What the client is told about a failed call: the server's words if they are about the request, else ours."""
    info, retry, bad = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo(), error_details_pb2.BadRequest()
    unpack_details(error.trailing_metadata(), info, retry, bad)
    status = REASONS.get(info.reason) or STATUS.get(error.code(), 500)
    headers = {}
    if retry.HasField("retry_delay") or status == 429:
        headers["retry-after"] = str(max(1, ceil(retry.retry_delay.ToMilliseconds() / 1000)))
    if info.domain != DOMAIN:
        return Problem(status, headers=headers)
    message = error.details() if status in ABOUT_THE_REQUEST else None
    field = bad.field_violations[0].field if bad.field_violations else None
    param = PARAMS.get(field, field) if field else None
    return Problem(status, message, headers, reason=info.reason, param=param)


def render(problem: Problem, path: str) -> Response:
    """The answer, as the pages of the contract write it."""
    # RFC 9110, section 11.6.1: a 401 says how to authenticate.
    challenge = {"www-authenticate": "Bearer"} if problem.status == 401 else {}
    content = error_object(problem) if path.startswith(V1) else problem.message
    return JSONResponse({"error": content}, problem.status, problem.headers | challenge)


def error_object(problem: Problem) -> dict[str, object]:
    """The error as it is written below `/v1`."""
    status = problem.status
    if status in (409, 422):
        kind = "idempotency_error"
    else:
        kind = "api_error" if status == 429 or status >= 500 else "invalid_request_error"
    return {
        "type": kind,
        "code": problem.code,
        "message": problem.message,
        "param": problem.param,
        "is_transient": status in (409, 429, 503, 504),
    }
