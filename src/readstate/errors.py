"""Every expected failure. `message` is public: it may reach a caller, so nothing of the inside stands in it.

`rpc/status.py` gives each its gRPC status code. `reason` is the stable name that a program may act on. It travels as
`google.rpc.ErrorInfo.reason`, beside the other details of `google.rpc.Status` (https://google.aip.dev/193).
"""

from collections.abc import Iterable
from typing import ClassVar, Final

from google.protobuf.message import DecodeError, Message
from google.rpc import status_pb2

DOMAIN: Final = "readstate"
"""`google.rpc.ErrorInfo.domain` of every error of our server. An error without it comes from something in between."""


class ReadStateError(Exception):
    """An expected failure that may be told to a caller."""

    message: str = "internal error"
    reason: ClassVar[str]
    retry_after: ClassVar[float | None] = None
    """Seconds after which the same call may succeed, where that is known."""
    request_id: str | None = None
    """On an error that `readstate.client` raises: what to quote to the people who run the server."""

    def __str__(self) -> str:
        return self.message


class Internal(ReadStateError):
    """A fault of ours. Its cause is logged, and never told."""

    reason = "INTERNAL"


class InvalidRequest(ReadStateError):
    """A field of the request breaks a rule. `field` is its path, as in `events[3].title`."""

    reason = "INVALID_FIELD"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(field, message)
        self.field = field
        self.message = message


class InvalidEventIds(InvalidRequest):
    reason = "INVALID_EVENT_IDS"

    def __init__(self) -> None:
        super().__init__("event_ids", "Missing or invalid id or ids")


class TooManyEventIds(InvalidRequest):
    reason = "TOO_MANY_EVENT_IDS"

    def __init__(self, limit: int) -> None:
        super().__init__("event_ids", f"Too many ids: at most {limit}")


class MalformedRequest(ReadStateError):
    message = "the request is not a message of the method's type"
    reason = "MALFORMED_REQUEST"


class Unauthenticated(ReadStateError):
    """Who is calling is not known."""


class MissingToken(Unauthenticated):
    message = "exactly one authorization of the form 'Bearer <token>' is required"
    reason = "TOKEN_MISSING"


class InvalidToken(Unauthenticated):
    message = "the bearer token is not valid"
    reason = "TOKEN_INVALID"


class ExpiredToken(Unauthenticated):
    message = "the bearer token has expired"
    reason = "TOKEN_EXPIRED"


class UnknownUser(Unauthenticated):
    message = "user not found"
    reason = "USER_NOT_FOUND"


class NoOrganization(ReadStateError):
    message = "User not associated with an organization"
    reason = "NO_ORGANIZATION"


class MissingScope(ReadStateError):
    reason = "SCOPE_MISSING"

    def __init__(self, scope: str) -> None:
        super().__init__(scope)
        self.message = f"the token lacks the scope {scope}"


class DirectoryFromClaims(ReadStateError):
    message = "members and organisations come from token claims here: there is no directory to write to"
    reason = "DIRECTORY_FROM_CLAIMS"


class NotificationNotFound(ReadStateError):
    """Somebody else's, or nobody's: the caller is not told which."""

    message = "notification not found"
    reason = "NOTIFICATION_NOT_FOUND"


class IdempotencyKeyReused(ReadStateError):
    message = "the idempotency key belongs to another request"
    reason = "IDEMPOTENCY_KEY_REUSED"


class IdempotencyKeyInUse(ReadStateError):
    message = "the first call with this idempotency key is still running: try again"
    reason = "IDEMPOTENCY_KEY_IN_USE"


class EventIdsExhausted(ReadStateError):
    message = "the organisation has used the largest event id: bring ids with the events"
    reason = "EVENT_IDS_EXHAUSTED"


class UnknownMethod(ReadStateError):
    message = "unknown service or method"
    reason = "UNKNOWN_METHOD"


class Overloaded(ReadStateError):
    message = "too many calls in flight: try again"
    reason = "OVERLOADED"
    retry_after = 1.0


class Unavailable(ReadStateError):
    """Something this service depends on is away. The call may be repeated if it is safe to repeat."""

    message = "the service is unavailable: try again"
    reason = "UNAVAILABLE"
    retry_after = 1.0


class DatabaseUnavailable(Unavailable):
    message = "the database is unavailable: try again"
    reason = "DATABASE_UNAVAILABLE"


class SigningKeysUnavailable(Unavailable):
    message = "the keys that verify tokens are unavailable: try again"
    reason = "SIGNING_KEYS_UNAVAILABLE"


class OutOfTime(ReadStateError):
    message = "out of time"
    reason = "DEADLINE_EXCEEDED"


class StartupError(Exception):
    """Why a command cannot run: one line for the person who started it, printed without a traceback, exit code 1."""


class ServerEnded(Exception):
    """The gRPC server has ended unasked. The process is to end as well, so that a new one takes its place."""

    def __str__(self) -> str:
        return "the gRPC server has ended unasked"


def unpack_details(trailing_metadata: Iterable[tuple[str, str | bytes]] | None, *details: Message) -> None:
    """Fill each of `details` from the detail of its type in a failed call's metadata. Without one it stays empty."""
    for key, value in trailing_metadata or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            try:
                for packed in status_pb2.Status.FromString(value).details:
                    for detail in details:
                        packed.Unpack(detail)
            except DecodeError:
                return
