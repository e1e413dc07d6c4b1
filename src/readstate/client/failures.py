"""What gRPC raises → the errors of `readstate.errors`."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import grpc
from google.rpc import error_details_pb2

from readstate import errors
from readstate.errors import DOMAIN, ReadStateError, unpack_details


class CallFailed(ReadStateError):
    """A failure without a type of its own. It comes from a newer server, from something in between, or from gRPC."""

    reason = "CALL_FAILED"

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


_BY_REASON: Final = {
    kind.reason: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, ReadStateError) and "reason" in vars(kind)
}
# For failures that gRPC, or something in between, has found. They carry no reason of ours.
_BY_CODE: Final = {
    grpc.StatusCode.UNAVAILABLE: errors.Unavailable,
    # The server is stopping. A call that is cancelled here raises CancelledError instead.
    grpc.StatusCode.CANCELLED: errors.Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.OutOfTime,
}


@contextmanager
def our_errors() -> Iterator[None]:
    """Raise our error for what gRPC raises inside. CancelledError comes only from whoever has cancelled the task."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise _failure(error) from error
    except grpc.aio.UsageError:
        raise _closed() from None
    except asyncio.CancelledError:
        # The channel ends its calls like this when it is closed: a surprise to a task that nobody has cancelled.
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise _closed() from None


def _failure(error: grpc.aio.AioRpcError) -> ReadStateError:
    """Our error for a failed call."""
    info, request, bad = error_details_pb2.ErrorInfo(), error_details_pb2.RequestInfo(), error_details_pb2.BadRequest()
    unpack_details(error.trailing_metadata(), info, request, bad)
    kind = _BY_REASON.get(info.reason) if info.domain == DOMAIN else _BY_CODE.get(error.code())
    message = error.details() or ""
    # Made without its constructor: the server has made the message already.
    found = CallFailed(error.code(), message) if kind is None else kind.__new__(kind)
    found.message = message
    found.request_id = request.request_id or None
    if isinstance(found, errors.InvalidRequest):
        found.field = bad.field_violations[0].field if bad.field_violations else ""
    return found


def _closed() -> errors.Unavailable:
    """The error of a call whose client was closed before the answer came."""
    found = errors.Unavailable()
    found.message = "the client has been closed"
    return found
