"""Ten unseen notifications for ada of acme: of every category that the messaging API names, each with a sender or a
resource."""

import json
from typing import Final

from readstate.model import NotificationContent, NotificationQuery, Priority, Status
from readstate.store.members import MemberStore
from readstate.store.notifications.store import NotificationStore
from readstate.store.pool import Database


def _actor(id: str, type: str, name: str, handle: str | None = None, avatar_url: str | None = None) -> str:
    """A sender as it is stored. The rpc room makes the same of a message, which nobody sends here."""
    return json.dumps({"id": id, "type": type, "name": name, "handle": handle, "avatar_url": avatar_url})


def _entity(id: str, type: str, name: str) -> str:
    """A resource as it is stored."""
    return json.dumps({"id": id, "type": type, "name": name, "handle": None})


_GRACE: Final = _actor("grace", "user", "Grace", "grace@acme.example", "https://acme.example/people/grace.png")
_DESK: Final = _actor("customer-service", "group", "Customer Service")
_AGENT: Final = _actor("agent-7", "agent", "Night watch")
_KEY: Final = _actor("key-3", "api_key", "Shop", "sk_live_…4f2a")
_LAUNCH: Final = _entity("conv-1", "conversation", "Launch")
_ORDER: Final = _entity("order-1001", "order", "SO-1001")
_RUN: Final = _entity("run-42", "agent_run", "Nightly check")
_ACME: Final = _entity("acme", "account", "Acme")

NOTIFICATIONS: Final = (
    NotificationContent("chat.added", "Grace added you to Launch", None, Priority.LOW, _GRACE, _LAUNCH),
    NotificationContent("chat.message", "Grace in Launch", "Are we ready?", Priority.NORMAL, _GRACE, _LAUNCH),
    NotificationContent("chat.message", "Customer Service", "A customer is waiting", Priority.NORMAL, _DESK, None),
    NotificationContent("chat.mention", "Grace mentioned you", "@ada, please look", Priority.HIGH, _GRACE, _LAUNCH),
    NotificationContent("order.updated", "SO-1001 has been paid", None, Priority.NORMAL, _KEY, _ORDER),
    NotificationContent("order.updated", "SO-1001 is on its way", None, Priority.NORMAL, None, _ORDER),
    NotificationContent("agent.run_completed", "Nightly check is done", "No findings", Priority.LOW, _AGENT, _RUN),
    NotificationContent("agent.alert", "Nightly check is worried", "A disk is full", Priority.HIGH, _AGENT, _RUN),
    NotificationContent("agent.alert", "Nightly check is calm", "It has been emptied", Priority.NORMAL, _AGENT, None),
    NotificationContent("system.broadcast", "Maintenance on Sunday", "From 2 to 3", Priority.NORMAL, None, _ACME),
)


async def load(database: Database) -> None:
    """Notify ada, if she has no notification yet. Raises as `Database.run`."""
    ada = (await MemberStore(database).find_in_organization("acme", ["ada"]))["ada"]
    notifications = NotificationStore(database)

    async def notify() -> None:
        for status in None, Status.DISMISSED:
            query = NotificationQuery(status=status, category=None, before=None, limit=1)
            if (await notifications.page(ada, query)).notifications:
                return
        for content in NOTIFICATIONS:
            await notifications.create([ada], content)

    # In one transaction: if it ends early, it leaves nothing, and the next start loads all.
    await database.transaction(notify, repeatable=True)
