"""Every answer that is not a success, and how it is written."""

from math import ceil
from typing import Final

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode
from starlette.responses import JSONResponse, Response

DOMAIN: Final = "readstate"
"""`google.rpc.ErrorInfo.domain` of our server's own errors."""

STATUS: Final = {
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.UNAUTHENTICATED: 401,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.RESOURCE_EXHAUSTED: 429,
    StatusCode.CANCELLED: 503,  # by the server, which is stopping: we cancel nothing
    StatusCode.UNAVAILABLE: 503,
    StatusCode.DEADLINE_EXCEEDED: 504,
}
"""Every other code is 500."""

MESSAGES: Final = {
    400: "Bad request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    413: "Request body too large",
    429: "Too many requests",
    500: "Internal server error",
    503: "Service unavailable",
    504: "Gateway timeout",
}
"""Our words, which tell nothing of the inside. For 400 and 403 the server's own, where it has some, come first."""


class Problem(Exception):
    """An answer that is not a success. `message` reaches the client."""

    def __init__(self, status: int, message: str | None = None, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message or MESSAGES[status]
        self.headers = headers or {}


def from_grpc(error: grpc.aio.AioRpcError) -> Problem:
    """What the client is told of a failed call: the server's own words where they are meant for it, else ours."""
    status = STATUS.get(error.code(), 500)
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    _unpack(error, info, retry)
    headers = {}
    if retry.HasField("retry_delay") or status == 429:
        headers["retry-after"] = str(max(1, ceil(retry.retry_delay.ToMilliseconds() / 1000)))
    if info.domain == DOMAIN and status in (400, 403):
        return Problem(status, error.details(), headers)
    return Problem(status, headers=headers)


def _unpack(error: grpc.aio.AioRpcError, *details: Message) -> None:
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            try:
                for packed in status_pb2.Status.FromString(value).details:
                    for detail in details:
                        packed.Unpack(detail)
            except DecodeError:
                return


def render(problem: Problem) -> Response:
    """The answer, as the pages of the contract write it."""
    # RFC 9110, section 11.6.1: a 401 says how to authenticate.
    challenge = {"www-authenticate": "Bearer"} if problem.status == 401 else {}
    return JSONResponse({"error": problem.message}, problem.status, problem.headers | challenge)
