"""The values that pass between the rooms. All are frozen; none knows gRPC, SQL or HTTP."""

from dataclasses import dataclass
from datetime import datetime


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
