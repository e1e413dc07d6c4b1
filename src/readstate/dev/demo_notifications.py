"""Ten unseen notifications for ada of acme: every category of the seed, each with a sender or a resource."""

from typing import Final

from readstate.model import Actor, ActorType, Entity, NotificationContent, NotificationQuery, Priority, Status
from readstate.store.members import MemberStore
from readstate.store.notifications.store import NotificationStore
from readstate.store.pool import Database

_GRACE: Final = Actor("grace", ActorType.USER, "Grace", "grace@acme.example", "https://acme.example/people/grace.png")
_DESK: Final = Actor("customer-service", ActorType.GROUP, "Customer Service", None, None)
_AGENT: Final = Actor("agent-7", ActorType.AGENT, "Night watch", None, None)
_KEY: Final = Actor("key-3", ActorType.API_KEY, "Shop", "sk_live_…4f2a", None)
_LAUNCH: Final = Entity("conv-1", "conversation", "Launch", None)
_ORDER: Final = Entity("order-1001", "order", "SO-1001", None)
_RUN: Final = Entity("run-42", "agent_run", "Nightly check", None)

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
    NotificationContent(
        "system.broadcast",
        "Maintenance on Sunday",
        "From 2 to 3",
        Priority.NORMAL,
        None,
        Entity("acme", "account", "Acme", None),
    ),
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
