"""An async client of readstate.

    from readstate.client import NoOrganization, ReadState

    async with ReadState("readstate.internal:443", token=token, tls=True) as readstate:
        await readstate.mark_read([1, 2, 3])

Every method raises the errors that this module exports. The docstrings of `ReadState` and its methods say which. An
error's `request_id` is for the people who run the server. A failure that has no type of its own is a `CallFailed`.
"""

from readstate.client.client import Actor, Entity, ReadState
from readstate.client.failures import CallFailed
from readstate.client.system_events import EventFilter, NewSystemEvent
from readstate.client.transport import TIMEOUT, Token
from readstate.errors import (
    DatabaseUnavailable,
    DirectoryFromClaims,
    Draining,
    EventIdsExhausted,
    ExpiredToken,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    Internal,
    InvalidEventIds,
    InvalidRequest,
    InvalidTicket,
    InvalidToken,
    InvalidUndoToken,
    MalformedRequest,
    MemberMoved,
    Migrating,
    MissingScope,
    MissingToken,
    NoOrganization,
    NotificationNotFound,
    OutOfTime,
    Overloaded,
    ReadStateError,
    SigningKeysUnavailable,
    StateLost,
    StreamUnread,
    SystemEventNotFound,
    TooManyEventIds,
    TooManyStreams,
    Unauthenticated,
    Unavailable,
    UnknownMethod,
    UnknownUser,
)

__all__ = [
    "TIMEOUT",
    "Actor",
    "CallFailed",
    "DatabaseUnavailable",
    "DirectoryFromClaims",
    "Draining",
    "Entity",
    "EventFilter",
    "EventIdsExhausted",
    "ExpiredToken",
    "IdempotencyKeyInUse",
    "IdempotencyKeyReused",
    "Internal",
    "InvalidEventIds",
    "InvalidRequest",
    "InvalidTicket",
    "InvalidToken",
    "InvalidUndoToken",
    "MalformedRequest",
    "MemberMoved",
    "Migrating",
    "MissingScope",
    "MissingToken",
    "NewSystemEvent",
    "NoOrganization",
    "NotificationNotFound",
    "OutOfTime",
    "Overloaded",
    "ReadState",
    "ReadStateError",
    "SigningKeysUnavailable",
    "StateLost",
    "StreamUnread",
    "SystemEventNotFound",
    "Token",
    "TooManyEventIds",
    "TooManyStreams",
    "Unauthenticated",
    "Unavailable",
    "UnknownMethod",
    "UnknownUser",
]
