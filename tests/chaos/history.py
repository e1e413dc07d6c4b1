"""What a load has asked for, and what it was told: the history that the checker judges."""

import math
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, Protocol, TypeVar

from readstate.errors import (
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    InvalidRequest,
    MissingScope,
    NoOrganization,
    Overloaded,
    ReadStateError,
    Unauthenticated,
)
from readstate.model import MarkResult
from readstate.v1.notifications_pb2 import CreateNotificationsResponse

REFUSALS: Final = (
    *(IdempotencyKeyInUse, IdempotencyKeyReused, InvalidRequest, MissingScope, NoOrganization),
    *(Overloaded, Unauthenticated),
)
"""Failures that promise that nothing was done, where one attempt is one call."""

T = TypeVar("T")


class Client(Protocol):
    """What `ReadState` and `SingleAttempts` have in common."""

    async def mark_read(self, event_ids: Sequence[int], /) -> MarkResult: ...

    async def mark_unread(self, event_ids: Sequence[int], /) -> MarkResult: ...

    async def create_notifications(
        self, org_id: str, user_ids: Sequence[str], /, *, category: str, title: str, idempotency_key: str
    ) -> CreateNotificationsResponse: ...


class Ending(Enum):
    ACKNOWLEDGED = auto()
    REFUSED = auto()
    """The caller was told that nothing was done."""
    UNKNOWN = auto()
    """No answer, or one that leaves it open. It may have been done, and it may still be."""


@dataclass(kw_only=True, slots=True)
class Call:
    """One attempt. Times are those of `time.monotonic`."""

    user_id: str
    begun: float
    told: float | None = None
    """When the caller heard how it ended."""
    ending: Ending = Ending.UNKNOWN
    failure: str = ""
    """The name of the error, where there was one."""

    @property
    def over(self) -> float:
        """When its effect is certainly behind it: never, where nobody knows how it ended."""
        return self.told if self.told is not None and self.ending is not Ending.UNKNOWN else math.inf


@dataclass(kw_only=True, slots=True)
class MarkCall(Call):
    read: bool
    """MarkRead; else MarkUnread."""
    event_ids: tuple[int, ...]
    result: MarkResult | None = None
    """None unless it was acknowledged."""


@dataclass(kw_only=True, slots=True)
class CreateCall(Call):
    key: str
    """The idempotency key, and the title."""
    org_id: str
    recipients: tuple[str, ...]
    """Whom it names, members of the organisation or not."""
    ids: tuple[str, ...] = ()
    """Of the notifications, where it was acknowledged."""


@dataclass
class History:
    """Every call that was begun, in that order."""

    marks: list[MarkCall] = field(default_factory=list)
    creations: list[CreateCall] = field(default_factory=list)

    @property
    def calls(self) -> list[Call]:
        return [*self.marks, *self.creations]

    async def mark(self, client: Client, user_id: str, event_ids: Sequence[int], *, read: bool) -> None:
        """Make the call and record it, however it ends."""
        call = MarkCall(user_id=user_id, begun=time.monotonic(), read=read, event_ids=tuple(event_ids))
        self.marks.append(call)
        call.result = await _ended(call, (client.mark_read if read else client.mark_unread)(call.event_ids))

    async def create(self, client: Client, user_id: str, org_id: str, recipients: Sequence[str], key: str) -> bool:
        """Make the call and record it, however it ends; return whether it was acknowledged."""
        call = CreateCall(user_id=user_id, begun=time.monotonic(), key=key, org_id=org_id, recipients=tuple(recipients))
        self.creations.append(call)
        answer = client.create_notifications(org_id, call.recipients, category="chaos", title=key, idempotency_key=key)
        response = await _ended(call, answer)
        if response is None:
            return False
        call.ids = tuple(response.ids)
        return True


async def _ended(call: Call, answer: Awaitable[T]) -> T | None:
    # Nothing else is caught: a call that is cancelled stays as it was begun.
    try:
        result = await answer
    except ReadStateError as error:
        call.ending = Ending.REFUSED if isinstance(error, REFUSALS) else Ending.UNKNOWN
        call.failure = type(error).__name__
        call.told = time.monotonic()
        return None
    call.ending = Ending.ACKNOWLEDGED
    call.told = time.monotonic()
    return result
