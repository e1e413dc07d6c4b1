"""The values that pass between the rooms. All are frozen; none knows gRPC, SQL or HTTP."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal, NamedTuple

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
class TicketClaims(Claims):
    """What the token said with which a ticket was issued."""

    token_sha256: bytes


@dataclass(frozen=True, slots=True)
class Member:
    """A user as this service sees one."""

    member_key: int
    org_key: int | None
    """The organisation, or None for a user who belongs to none."""


class OrgMember(NamedTuple):
    """A member who is known to belong to an organisation. A tuple, because each call hashes it several times."""

    member_key: int
    org_key: int


@dataclass(frozen=True, slots=True)
class UnreadState:
    """What a member has not read in their organisation, at one moment."""

    unread: int
    """Events that are not read."""
    head: int
    """The largest `seq` that is committed, 0 where nothing has been recorded."""
    version: int
    """Rises with every change of what the member has read. 0 where nothing has changed yet."""


@dataclass(frozen=True, slots=True)
class MarkResult:
    """What MarkRead or MarkUnread did."""

    changed: int
    """Events that were unread and are read now. For MarkUnread: events that were read and are unread now."""
    matched: int
    """Distinct ids that name an event of the caller's organisation."""
    version: int = field(default=0, compare=False)
    """As in UnreadState: of the state that the call left or found, or of `state`, which may be later. 0 as long as
    the upgrade to read cursors is not finished. Not compared: two calls that did the same are equal."""
    state: UnreadState | None = None
    """What the member has not read after the call, where that was asked for."""


@dataclass(frozen=True, slots=True)
class MarkAllResult:
    """What MarkAllRead did."""

    changed: int
    """Events that were unread and are read now."""
    unread: int
    version: int
    """As in UnreadState."""
    undo_token: str | None
    """What `undo_mark_all` takes. None where nothing changed, and where it would be larger than 64 KiB."""


@dataclass(frozen=True, slots=True)
class UndoResult:
    """What UndoMarkAllRead did."""

    changed: int
    """Events that were read and are unread now."""
    unread: int
    version: int
    """As in UnreadState."""


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
    actor_id: str | None = None
    """Who did it."""
    subject_id: str | None = None
    """What it was done to."""
    workspace_id: str | None = None
    """Where in the organisation."""


@dataclass(frozen=True, slots=True)
class SystemEvent:
    """A recorded event, as one member sees it."""

    event_id: int
    seq: int
    """The position in the organisation's stream."""
    type: str
    title: str
    payload: str | None
    """A JSON object as text."""
    occurred_at: datetime
    recorded_at: datetime
    actor_id: str | None
    subject_id: str | None
    workspace_id: str | None
    read: bool
    """Whether the member has read it."""


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which page of an organisation's events. An empty filter lets everything pass."""

    limit: int
    before: int | None = None
    """Only events below this `seq`; None for the newest."""
    skip: int = 0
    """Events of the list to leave out before the page begins, at most 10,000."""
    unread_only: bool = False
    types: tuple[str, ...] = ()
    actor_ids: tuple[str, ...] = ()
    subject_ids: tuple[str, ...] = ()
    workspace_ids: tuple[str, ...] = ()
    occurred_from: datetime | None = None
    """Not before this moment."""
    occurred_before: datetime | None = None
    """Before this moment, which is not included."""
    with_total: bool = False
    """Whether to count the events that pass the filter, on every page."""
    order: Literal["seq", "occurred_at"] = "seq"
    """Newest first by `seq`; or by `occurred_at`, and where that is the same by `seq`."""


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events, newest first. All of it comes from one snapshot."""

    events: list[SystemEvent]
    next_before: int | None
    """`before` of the next page, or None on the last one, and always None in the order of `occurred_at`."""
    state: UnreadState
    total: int | None
    """How many events pass the filter, `before` and `skip` aside. None where that was not asked for."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A member who has read an event."""

    user_id: str
    read_at: datetime | None
    """When, where that is known: what mark-all covers has no time of its own."""


@dataclass(frozen=True, slots=True)
class ReaderPage:
    """Some of those who have read an event. May be empty and still not be the last one."""

    readers: list[Reader]
    next_after: int | None
    """`after` of the next page, or None on the last one."""


@dataclass(frozen=True, slots=True)
class NewMember:
    """A user about to be placed in an organisation, or in none."""

    user_id: str
    org_id: str | None
    start_read: bool = False
    """Whether what has been recorded so far counts as read for a member who is new in the organisation."""


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
    included: frozenset[str] = frozenset()
    """What is read of `sender` and `resource`. The rest is None."""


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
    version: int = field(default=0, compare=False)
    """Rises with every change of the member's notifications. Not compared: the same counts are equal."""


@dataclass(frozen=True, slots=True)
class InboxState:
    """All that a member has not read, from one snapshot."""

    events: UnreadState
    notifications: UnreadSummary | None
    """None where the token does not say that they may be read."""

    @property
    def versions(self) -> tuple[int, int, int]:
        """What tells a state from another one, and the newer from the older: no component of it is smaller."""
        return self.events.head, self.events.version, self.notifications.version if self.notifications else 0


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request that takes effect once, even if it is made many times."""

    user_id: str
    org_key: int | None
    """The key belongs to the caller: to the user and the organisation together. None for a caller without one."""
    key: str
    fingerprint: bytes
    """32 bytes. Another method or another request has other bytes."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things are kept."""

    events: timedelta | None
    """Older events are pruned; None keeps them all."""
    notifications: timedelta | None
    unread_notifications: bool
    """Whether old notifications are pruned although they are neither read nor dismissed."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows have gone, or would go."""

    events: int
    marks: int
    notifications: int
