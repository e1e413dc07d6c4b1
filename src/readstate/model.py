"""The values that pass between the rooms. All are frozen; none knows gRPC, SQL or HTTP."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

LARGEST_EVENT_ID: Final = 2**53 - 1
"""What a JSON client can hold (RFC 8259, section 6)."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says of its bearer."""

    user_id: str
    """The claim `sub`."""
    org_id: str | None
    """The organisation claim. Only the directory mode `claims` believes it."""
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
    """Events whose read state is another one now."""
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


class Priority(Enum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class ActorType(Enum):
    USER = "user"
    GROUP = "group"
    AGENT = "agent"
    API_KEY = "api_key"


class Status(Enum):
    """Where a notification is in its life, which it never goes back on."""

    UNSEEN = "unseen"
    SEEN = "seen"
    READ = "read"
    DISMISSED = "dismissed"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who or what caused a notification, as its producer described it."""

    id: str
    type: ActorType
    name: str | None
    handle: str | None
    """Only users and API keys have one."""
    avatar_url: str | None
    """Only users have one."""


@dataclass(frozen=True, slots=True)
class Entity:
    """What a notification leads to, as its producer described it."""

    id: str
    type: str
    name: str | None
    handle: str | None


@dataclass(frozen=True, slots=True)
class NotificationContent:
    """What a notification tells, the same for each of its recipients."""

    category: str
    title: str
    body: str | None
    priority: Priority
    sender: Actor | None
    resource: Entity | None


@dataclass(frozen=True, slots=True)
class Notification:
    """One person's notification."""

    id: str
    content: NotificationContent
    seen_at: datetime | None
    read_at: datetime | None
    dismissed_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @property
    def status(self) -> Status:
        """Follows from the times, so that the two cannot disagree."""
        if self.dismissed_at is not None:
            return Status.DISMISSED
        if self.read_at is not None:
            return Status.READ
        return Status.UNSEEN if self.seen_at is None else Status.SEEN


@dataclass(frozen=True, slots=True)
class NotificationQuery:
    """Which page of a member's notifications."""

    status: Status | None
    """None for all but the dismissed ones."""
    category: str | None
    before: int | None
    """Only those older than the notification at this position; None for the newest."""
    limit: int


@dataclass(frozen=True, slots=True)
class NotificationPage:
    """Notifications, newest first."""

    notifications: list[Notification]
    next_before: int | None
    """`before` of the next page, or None on the last one."""


@dataclass(frozen=True, slots=True)
class UnreadSummary:
    """How many notifications want attention."""

    unseen: int
    unread: int
    """Seen ones included."""


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request that is to take effect once, however often it is made."""

    user_id: str
    org_key: int | None
    """With the user: the caller, to whom the key belongs. None for a caller who is no member."""
    key: str
    fingerprint: bytes
    """32 bytes that differ for another method and for another request."""
