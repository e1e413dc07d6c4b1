"""Every expected failure. `message` is public: it may reach a caller, so it says nothing internal.

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
    """An expected failure. A caller may be told."""

    message: str = "internal error"
    reason: ClassVar[str]
    retry_after: ClassVar[float | None] = None
    """Seconds after which the same call may succeed, if that is known."""
    request_id: str | None = None
    """Set on errors that `readstate.client` raises. Tell it to the people who run the server."""

    def __str__(self) -> str:
        return self.message


class Internal(ReadStateError):
    """A fault of this service. Its cause is logged, and no caller is told."""

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


class InvalidUndoToken(InvalidRequest):
    reason = "INVALID_UNDO_TOKEN"

    def __init__(self) -> None:
        super().__init__("undo_token", "must be an undo_token that this member was given in this organisation")


class MalformedRequest(ReadStateError):
    message = "the request is not a message of the method's type"
    reason = "MALFORMED_REQUEST"


class Unauthenticated(ReadStateError):
    """It is not known who is calling."""


class MissingToken(Unauthenticated):
    message = "exactly one authorization of the form 'Bearer <token>' is required"
    reason = "TOKEN_MISSING"


class InvalidToken(Unauthenticated):
    message = "the bearer token is not valid"
    reason = "TOKEN_INVALID"


class ExpiredToken(Unauthenticated):
    message = "the bearer token has expired"
    reason = "TOKEN_EXPIRED"


class InvalidTicket(Unauthenticated):
    """Nobody is told which: unknown, used, or too old."""

    message = "the ticket is not valid: it opens one stream, within 60 seconds"
    reason = "TICKET_INVALID"


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


class SystemEventNotFound(ReadStateError):
    """Another organisation's, or nobody's: the caller is not told which."""

    message = "system event not found"
    reason = "SYSTEM_EVENT_NOT_FOUND"


class Migrating(ReadStateError):
    message = "the database is being upgraded: try again when `readstate migrate --finish` has run"
    reason = "MIGRATING"


class NotificationNotFound(ReadStateError):
    """It does not exist, or it is somebody else's. The caller is not told which."""

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


class TooManyStreams(Overloaded):
    message = "too many streams are open: close one, or try again later"
    reason = "TOO_MANY_STREAMS"


class StreamUnread(Overloaded):
    message = "the stream was not read for 30 seconds"
    reason = "STREAM_UNREAD"


class Unavailable(ReadStateError):
    """Something that this service needs is away. Repeat the call if it is safe to repeat."""

    message = "the service is unavailable: try again"
    reason = "UNAVAILABLE"
    retry_after = 1.0


class Draining(Unavailable):
    message = "this server is stopping: connect again"
    reason = "DRAINING"


class MemberMoved(Unavailable):
    message = "the member has been placed in another organisation: watch again"
    reason = "MEMBER_MOVED"


class StateLost(Unavailable):
    """A fail-over has lost what was told."""

    message = "the database has gone back: watch again"
    reason = "STATE_LOST"


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
    """Why a command cannot run: one line for the person who started it, without a traceback. Exit code 1."""


class ServerEnded(Exception):
    """The gRPC server has ended, and nobody asked it to. The process ends too, so that a new one takes its place."""

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
