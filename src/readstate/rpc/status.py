"""Our errors → gRPC status codes, with `google.rpc.Status` details."""

from typing import Final

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc import StatusCode
from grpc_status import rpc_status

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


def status_of(error: errors.ReadStateError, request_id: str) -> grpc.Status:
    """The whole status: code, public message and details, the request id among them so that a person can quote it."""
    code = code_of(error)
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=error.reason, domain=errors.DOMAIN),
        error_details_pb2.RequestInfo(request_id=request_id),
    ]
    if isinstance(error, errors.InvalidRequest):
        violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, description=error.message)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if error.retry_after is not None:
        delay = Duration()
        delay.FromMilliseconds(int(error.retry_after * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return rpc_status.to_status(
        status_pb2.Status(code=code_pb2.Code.Value(code.name), message=error.message, details=map(_packed, details))
    )


def _packed(message: Message) -> Any:
    packed = Any()
    packed.Pack(message)
    return packed
