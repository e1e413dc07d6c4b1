"""Every method judges in one order: authenticated, known, in an organisation, scope, and last the request itself."""

from dataclasses import dataclass, replace

import pytest
from grpc import StatusCode

from readstate.client import ReadState
from tests.rpc.wire import Metadata, Wire, failure

MALFORMED = b"\xff\xff\xff\xff"


@dataclass(frozen=True)
class Needs:
    """The column "needs" of the contract."""

    member: bool = False
    organization: bool = False
    scope: str = ""


ORG_MEMBER = Needs(member=True, organization=True)
READS = replace(ORG_MEMBER, scope="messaging:read")
UPDATES = replace(ORG_MEMBER, scope="messaging:update")

METHODS = {
    "SystemEventService/MarkRead": ORG_MEMBER,
    "SystemEventService/MarkUnread": Needs(member=True),
    "SystemEventService/RecordSystemEvents": Needs(scope="system_events:write"),
    "SystemEventService/ListSystemEvents": ORG_MEMBER,
    "SystemEventService/GetUnreadCount": ORG_MEMBER,
    "SystemEventService/MarkAllRead": ORG_MEMBER,
    "SystemEventService/UndoMarkAllRead": ORG_MEMBER,
    "SystemEventService/ListReaders": replace(ORG_MEMBER, scope="system_events:audit"),
    "UnreadService/WatchUnread": ORG_MEMBER,
    "UnreadService/IssueTicket": ORG_MEMBER,
    "DirectoryService/UpsertMembers": Needs(scope="directory:write"),
    "DirectoryService/RemoveMembers": Needs(scope="directory:write"),
    "NotificationService/CreateNotifications": Needs(scope="messaging:write"),
    "NotificationService/GetNotification": READS,
    "NotificationService/ListNotifications": READS,
    "NotificationService/GetUnreadSummary": READS,
    "NotificationService/MarkNotificationSeen": UPDATES,
    "NotificationService/MarkNotificationRead": UPDATES,
    "NotificationService/DismissNotification": UPDATES,
    "NotificationService/MarkAllNotificationsSeen": UPDATES,
    "NotificationService/MarkAllNotificationsRead": UPDATES,
}


def judgements(wire: Wire, needs: Needs) -> list[tuple[Metadata, StatusCode, str]]:
    """Callers who lack less and less, and of all that each lacks, what is told: the first."""
    known = [(wire.bearer("stranger"), StatusCode.UNAUTHENTICATED, "USER_NOT_FOUND")] if needs.member else []
    placed = [(wire.bearer("carol"), StatusCode.PERMISSION_DENIED, "NO_ORGANIZATION")] if needs.organization else []
    scoped = [(wire.bearer("ada"), StatusCode.PERMISSION_DENIED, "SCOPE_MISSING")] if needs.scope else []
    return [
        ((), StatusCode.UNAUTHENTICATED, "TOKEN_MISSING"),
        (wire.bearer("ada", expires_in=-60), StatusCode.UNAUTHENTICATED, "TOKEN_EXPIRED"),
        ((("authorization", "Bearer a.b.c"),), StatusCode.UNAUTHENTICATED, "TOKEN_INVALID"),
        *known,
        *placed,
        *scoped,
        (wire.bearer("ada", scope=needs.scope), StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST"),
    ]


async def test_of_all_that_a_caller_lacks_the_first_is_told(
    ada: ReadState, wire: Wire, subtests: pytest.Subtests
) -> None:
    for method, needs in METHODS.items():
        for metadata, code, reason in judgements(wire, needs):
            with subtests.test(method=method, reason=reason):
                found = await failure(wire.call(method, MALFORMED, metadata))
                assert (found.code, found.reason) == (code, reason)


async def test_the_scope_of_one_method_opens_no_other(ada: ReadState, wire: Wire, subtests: pytest.Subtests) -> None:
    scopes = {needs.scope for needs in METHODS.values()}
    for method, needs in METHODS.items():
        others = " ".join(scopes - {needs.scope})
        if needs.scope:
            with subtests.test(method=method):
                assert (
                    await failure(wire.call(method, b"", wire.bearer("ada", scope=others)))
                ).reason == "SCOPE_MISSING"
