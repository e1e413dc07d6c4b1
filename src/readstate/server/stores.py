"""The stores that share the connections of calls."""

from dataclasses import dataclass

from readstate.identity.tickets import TICKET_SECONDS
from readstate.store.events import EventStore
from readstate.store.idempotency import IdempotencyStore
from readstate.store.marks.store import MarkStore
from readstate.store.members import MemberStore
from readstate.store.pool import Database
from readstate.store.tickets import TicketStore
from readstate.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Stores:
    """Those that more than one part of a server uses, and what they are on."""

    database: Database
    members: MemberStore
    marks: MarkStore
    events: EventStore
    replies: IdempotencyStore
    tickets: TicketStore

    async def drain(self) -> None:
        """Wait for writes in flight. For the end of a server, when no handler runs any more."""
        await self.events.drain()
        await self.marks.drain()


def stores_on(database: Database, metrics: Metrics) -> Stores:
    """The stores of one server."""
    return Stores(
        database,
        MemberStore(database),
        MarkStore(database, metrics),
        EventStore(database),
        IdempotencyStore(database),
        TicketStore(database, TICKET_SECONDS),
    )
