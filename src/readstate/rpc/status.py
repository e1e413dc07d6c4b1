"""Our errors → gRPC status codes, with `google.rpc.Status` details."""

from dataclasses import dataclass
from functools import cache
from typing import Any as AnyType
from typing import Final

from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc import StatusCode

from readstate import errors

CODES: Final[dict[type[errors.ReadStateError], StatusCode]] = {
    errors.InvalidRequest: StatusCode.INVALID_ARGUMENT,
    errors.MalformedRequest: StatusCode.INVALID_ARGUMENT,
    errors.Unauthenticated: StatusCode.UNAUTHENTICATED,
    errors.NoOrganization: StatusCode.PERMISSION_DENIED,
    errors.MissingScope: StatusCode.PERMISSION_DENIED,
    errors.DirectoryFromClaims: StatusCode.FAILED_PRECONDITION,
    errors.EventIdsExhausted: StatusCode.FAILED_PRECONDITION,
    errors.Migrating: StatusCode.FAILED_PRECONDITION,
    errors.SystemEventNotFound: StatusCode.NOT_FOUND,
    errors.NotificationNotFound: StatusCode.NOT_FOUND,
    errors.IdempotencyKeyReused: StatusCode.FAILED_PRECONDITION,
    errors.IdempotencyKeyInUse: StatusCode.ABORTED,
    errors.UnknownMethod: StatusCode.UNIMPLEMENTED,
    errors.Overloaded: StatusCode.RESOURCE_EXHAUSTED,
    errors.Unavailable: StatusCode.UNAVAILABLE,
    errors.OutOfTime: StatusCode.DEADLINE_EXCEEDED,
    errors.Internal: StatusCode.INTERNAL,
}
"""A subclass has the code of its nearest base in the table."""


def code_of(error: BaseException) -> StatusCode:
    """The status code that a caller is told; INTERNAL for everything that is not one of ours."""
    for kind in type(error).__mro__:
        if code := CODES.get(kind):
            return code
    return StatusCode.INTERNAL


@dataclass(frozen=True, slots=True)
class Status:
    """What `context.abort` takes."""

    code: StatusCode
    message: str
    trailing_metadata: tuple[tuple[str, bytes], ...]


def status_of(error: errors.ReadStateError, request_id: str) -> Status:
    """The whole status: code, public message and details, the request id among them so that a person can quote it."""
    kind: AnyType = type(error)  # mypy finds that exception classes cannot be hashed
    fixed = _of_kind(kind) if error.message == kind.message else _without_request_id(error)
    # Two serialised messages, one after the other, are one message: the fields of the second are added. An overloaded
    # server says this most often, so all but the id is serialised once.
    before, after = _around_request_id(len(request_id))
    details = b"".join((fixed, before, request_id.encode("ascii"), after))
    return Status(code_of(error), error.message, (("grpc-status-details-bin", details),))


@cache
def _of_kind(kind: type[errors.ReadStateError]) -> bytes:
    return _without_request_id(kind.__new__(kind))


@cache
def _around_request_id(length: int) -> tuple[bytes, bytes]:
    """What stands before and after an id of this length, which is at most 128, in a status that holds only the id."""
    placeholder = "\0" * length
    info = error_details_pb2.RequestInfo(request_id=placeholder)
    before, _, after = status_pb2.Status(details=[_packed(info)]).SerializeToString().rpartition(placeholder.encode())
    return before, after


def _without_request_id(error: errors.ReadStateError) -> bytes:
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=error.reason, domain=errors.DOMAIN)]
    if isinstance(error, errors.InvalidRequest):
        violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, description=error.message)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if error.retry_after is not None:
        delay = Duration()
        delay.FromMilliseconds(int(error.retry_after * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    code = code_pb2.Code.Value(code_of(error).name)
    status = status_pb2.Status(code=code, message=error.message, details=map(_packed, details))
    return bytes(status.SerializeToString())


def _packed(message: Message) -> Any:
    packed = Any()
    packed.Pack(message)
    return packed
