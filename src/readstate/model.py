"""The values that pass between the rooms. All are frozen; none knows gRPC, SQL or HTTP."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

LARGEST_EVENT_ID: Final = 2**53 - 1
"""What a JSON client can hold (RFC 8259, section 6)."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says of its bearer."""

    user_id: str
    """The claim `sub`."""
    org_id: str | None
    """The organisation claim. Only the directory mode `claims` uses it."""
    scopes: frozenset[str]
    """The union of the claims `scope` and `permissions`."""
    expires_at: float
    """The claim `exp`, seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Member:
    """A user as this service sees one."""

    member_key: int
    org_key: int | None
    """The organisation, or None for a user who belongs to none."""


@dataclass(frozen=True, slots=True)
class OrgMember:
    """A member who is known to belong to an organisation."""

    member_key: int
    org_key: int


@dataclass(frozen=True, slots=True)
class MarkResult:
    """What MarkRead or MarkUnread did."""

    changed: int
    """Events that were unread and are read now. For MarkUnread: events that were read and are unread now."""
    matched: int
    """Distinct ids that name an event of the caller's organisation."""


@dataclass(frozen=True, slots=True)
class NewSystemEvent:
    """A system event about to be recorded."""

    event_id: int | None
    """The id that the producer brings, 1 to 2^53-1, or None to have one assigned."""
    type: str
    title: str
    payload: str | None
    """A JSON object as text, as `jsonb` takes it."""
    occurred_at: datetime | None
    """None stands for the time of recording."""


@dataclass(frozen=True, slots=True)
class NewMember:
    """A user about to be placed in an organisation, or in none."""

    user_id: str
    org_id: str | None


class Priority(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class Status(StrEnum):
    """How far a notification has come. It never goes back."""

    UNSEEN = "unseen"
    SEEN = "seen"
    READ = "read"
    DISMISSED = "dismissed"


class NotificationContent(NamedTuple):
    """What a notification says. It is the same for each recipient."""

    category: str
    title: str
    body: str | None
    priority: Priority
    sender: str | None
    """Who caused it: a JSON object as text. Only the rpc room looks into it."""
    resource: str | None
    """What it leads to: text as in `sender`."""


class Notification(NamedTuple):
    """One person's notification. The fields are the columns of its row, so that a row becomes one without a look at it.

    The fields of NotificationContent are named here once more. As one value they would be cut out of each row, up to a
    hundred times for a list.
    """

    seq: int
    """Its place in the list."""
    id: str
    category: str
    title: str
    body: str | None
    priority: str
    """The text of a Priority."""
    sender: str | None
    resource: str | None
    seen_at: datetime | None
    read_at: datetime | None
    dismissed_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @property
    def status(self) -> Status:
        """Computed from the times, so that the two always agree."""
        if self.dismissed_at is not None:
            return Status.DISMISSED
        if self.read_at is not None:
            return Status.READ
        return Status.UNSEEN if self.seen_at is None else Status.SEEN


@dataclass(frozen=True, slots=True)
class NotificationQuery:
    """Which page of a member's notifications."""

    status: Status | None
    """None: all notifications that are not dismissed."""
    category: str | None
    before: int | None
    """Only notifications older than this position. None begins with the newest."""
    limit: int


@dataclass(frozen=True, slots=True)
class NotificationPage:
    """Notifications, newest first."""

    notifications: list[Notification]
    next_before: int | None
    """`before` of the next page, or None on the last one."""


@dataclass(frozen=True, slots=True)
class UnreadSummary:
    """How many notifications are unseen, and how many are unread."""

    unseen: int
    unread: int
    """Unseen ones, and those that are seen but not read."""


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request that takes effect once, even if it is made many times."""

    user_id: str
    org_key: int | None
    """The key belongs to the caller: to the user and the organisation together. None for a caller without one."""
    key: str
    fingerprint: bytes
    """32 bytes. Another method or another request has other bytes."""
