"""What each method needs of its caller, in one table: the column "needs" of the contract.

`interceptors/authenticate.py` and `authorize.py` enforce it. A method that is not in the table cannot be registered.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Access:
    """The requirements of one method, in the order in which they are judged."""

    token: bool = True
    member: bool = False
    """The token's user must be known."""
    organization: bool = False
    """The member must be in an organisation."""
    scope: str | None = None
    """The token must carry it."""
    lasting: bool = False
    """It lasts as long as its client listens. It has interceptors of its own, without the bounds for calls."""


PUBLIC: Final = Access(token=False)
TOKEN: Final = Access()
MEMBER: Final = Access(member=True)
ORG_MEMBER: Final = Access(member=True, organization=True)

_REFLECTION: Final = (
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
)
OPEN_REFLECTION: Final = dict.fromkeys(_REFLECTION, PUBLIC)
"""For development: reflection without a token."""

_EVENT_READS_AND_MARKS: Final = (
    "/readstate.v1.SystemEventService/MarkRead",
    "/readstate.v1.SystemEventService/ListSystemEvents",
    "/readstate.v1.SystemEventService/GetUnreadCount",
    "/readstate.v1.SystemEventService/MarkAllRead",
    "/readstate.v1.SystemEventService/UndoMarkAllRead",
)
_NOTIFICATION_READS: Final = (
    "/readstate.v1.NotificationService/GetNotification",
    "/readstate.v1.NotificationService/ListNotifications",
    "/readstate.v1.NotificationService/GetUnreadSummary",
)
_NOTIFICATION_UPDATES: Final = (
    "/readstate.v1.NotificationService/MarkNotificationSeen",
    "/readstate.v1.NotificationService/MarkNotificationRead",
    "/readstate.v1.NotificationService/DismissNotification",
    "/readstate.v1.NotificationService/MarkAllNotificationsSeen",
    "/readstate.v1.NotificationService/MarkAllNotificationsRead",
)

ACCESS: Final = {
    "/grpc.health.v1.Health/Check": PUBLIC,
    "/grpc.health.v1.Health/List": PUBLIC,
    "/grpc.health.v1.Health/Watch": PUBLIC,
    **dict.fromkeys(_REFLECTION, TOKEN),
    **dict.fromkeys(_EVENT_READS_AND_MARKS, ORG_MEMBER),
    "/readstate.v1.SystemEventService/MarkUnread": MEMBER,
    "/readstate.v1.SystemEventService/ListReaders": Access(member=True, organization=True, scope="system_events:audit"),
    "/readstate.v1.SystemEventService/RecordSystemEvents": Access(scope="system_events:write"),
    **dict.fromkeys(_NOTIFICATION_READS, Access(member=True, organization=True, scope="messaging:read")),
    **dict.fromkeys(_NOTIFICATION_UPDATES, Access(member=True, organization=True, scope="messaging:update")),
    "/readstate.v1.NotificationService/CreateNotifications": Access(scope="messaging:write"),
    "/readstate.v1.UnreadService/WatchUnread": Access(member=True, organization=True, lasting=True),
    "/readstate.v1.UnreadService/IssueTicket": ORG_MEMBER,
    "/readstate.v1.DirectoryService/UpsertMembers": Access(scope="directory:write"),
    "/readstate.v1.DirectoryService/RemoveMembers": Access(scope="directory:write"),
}
