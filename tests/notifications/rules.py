"""The rules of a notification's life in the fewest words, and what tests of them share."""

from readstate.model import NewMember, Notification, NotificationContent, OrgMember, Priority, Status
from readstate.store.members import MemberStore
from readstate.store.pool import Database
from tests.waiting import until_answered

CONTENT = NotificationContent("chat.message", "Hello", None, Priority.NORMAL, None, None)
ORDER = list(Status)
ACTIONS = ("mark_seen", "mark_read", "dismiss")
USERS = ("ada", "grace")


def after(times: frozenset[str], action: str) -> frozenset[str]:
    """Which times are set after an action."""
    if "dismissed" in times:
        return times
    return times | {"mark_seen": {"seen"}, "mark_read": {"seen", "read"}, "dismiss": {"dismissed"}}[action]


def times(notification: Notification) -> frozenset[str]:
    return frozenset(name for name in ("seen", "read", "dismissed") if getattr(notification, f"{name}_at"))


def assert_times_in_order(n: Notification) -> None:
    moments = [moment for moment in (n.created_at, n.seen_at, n.read_at, n.dismissed_at) if moment]
    assert moments == sorted(moments)
    assert n.updated_at == moments[-1]


async def members(database: Database) -> dict[str, OrgMember]:
    store = MemberStore(database)
    await store.upsert([NewMember(user, "acme") for user in USERS])
    return await store.find_in_organization("acme", USERS)


async def one_waits_for_a_lock(database: Database) -> None:
    """Return once a statement on this database waits for another."""
    waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    await until_answered(lambda: database.rows(waiting, repeatable=True))
