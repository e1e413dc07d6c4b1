"""MarkAllNotificationsRead: up to what was shown, and the key that makes it count once."""

import grpc
import pytest

from tests.notifications.conftest import Caller, CallerFor

ALL = "MarkAllNotificationsRead"


async def counts(caller: Caller) -> tuple[int, int]:
    summary = await caller.call("GetUnreadSummary")
    return summary.unseen_count, summary.unread_count


async def test_all_up_to_the_newest_shown_become_read_and_seen(ada: Caller, messenger: Caller) -> None:
    first, shown, later = [(await messenger.notify("ada"))[0] for _ in range(3)]
    await ada.call("MarkNotificationSeen", id=first)

    assert (await ada.call(ALL, up_to=shown)).changed_count == 2

    assert await counts(ada) == (1, 1)
    notification = (await ada.call("GetNotification", id=shown)).notification
    assert notification.seen_at == notification.read_at == notification.updated_at
    seen = (await ada.call("GetNotification", id=first)).notification
    assert seen.seen_at.ToDatetime() < seen.read_at.ToDatetime()
    assert not (await ada.call("GetNotification", id=later)).notification.HasField("seen_at")
    assert (await ada.call(ALL)).changed_count == 1
    assert (await ada.call(ALL)).changed_count == 0


async def test_what_is_read_or_dismissed_stays_as_it_is(ada: Caller, messenger: Caller) -> None:
    read, dismissed = [(await messenger.notify("ada"))[0] for _ in range(2)]
    before = [
        (await ada.call("MarkNotificationRead", id=read)).notification,
        (await ada.call("DismissNotification", id=dismissed)).notification,
    ]
    assert (await ada.call(ALL)).changed_count == 0
    assert [(await ada.call("GetNotification", id=one)).notification for one in (read, dismissed)] == before


async def test_nobody_elses_are_marked_or_named(ada: Caller, grace: Caller, bob: Caller, messenger: Caller) -> None:
    (graces,) = await messenger.notify("grace")
    (bobs,) = await messenger.notify("bob", org_id="globex")
    await messenger.notify("ada")
    for other in graces, bobs, "nf_000000000000", "x", "":
        error = await ada.error(ALL, up_to=other)
        expected = grpc.StatusCode.NOT_FOUND if other else grpc.StatusCode.INVALID_ARGUMENT
        assert error.code() == expected
    assert (await ada.call(ALL)).changed_count == 1
    assert await counts(grace) == await counts(bob) == (1, 1)


async def test_with_a_key_it_counts_once(ada: Caller, messenger: Caller) -> None:
    await messenger.notify("ada")
    first = await ada.call(ALL, key="key")
    await messenger.notify("ada")

    assert (await ada.call(ALL, key="key")).changed_count == first.changed_count == 1
    assert await counts(ada) == (1, 1)
    error = await ada.error("MarkAllNotificationsSeen", "key")
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION


async def test_every_change_raises_the_version(ada: Caller, messenger: Caller) -> None:
    versions = [(await ada.call("GetUnreadSummary")).version]
    (one,) = await messenger.notify("ada")
    versions.append((await ada.call("GetUnreadSummary")).version)
    await ada.call("MarkNotificationSeen", id=one)
    versions.append((await ada.call("GetUnreadSummary")).version)
    await ada.call(ALL)
    versions.append((await ada.call("GetUnreadSummary")).version)
    assert versions == sorted(set(versions))
    await ada.call(ALL)
    assert (await ada.call("GetUnreadSummary")).version == versions[-1]


@pytest.mark.parametrize("scope", ["messaging:read", "messaging:write", ""])
async def test_it_needs_the_scope_to_update(members: None, caller_for: CallerFor, scope: str) -> None:
    error = await caller_for("ada", scope=scope).error(ALL)
    assert error.code() == grpc.StatusCode.PERMISSION_DENIED
