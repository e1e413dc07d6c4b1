"""The demo data of `readstate dev`: two organisations, four users, a hundred events, more on request, and ten
notifications."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

from readstate.dev import demo_notifications
from readstate.model import NewMember, NewSystemEvent
from readstate.store.events import EventStore
from readstate.store.members import MemberStore
from readstate.store.pool import Database

MEMBERS: Final = (
    NewMember("ada", "acme"),
    NewMember("grace", "acme"),
    NewMember("bob", "globex"),
    NewMember("carol", None),
)
ACME_EVENTS: Final = range(1, 51)
GLOBEX_EVENTS: Final = range(51, 101)
EVENTS_PER_CALL: Final = 2_000

_TYPES: Final = ("deployment.finished", "invoice.issued", "bucket.created", "member.invited", "certificate.renewed")


async def load(database: Database, further: int, progress: Callable[[int], object]) -> None:
    """Load the demo data, and `further` events in acme. Data that is there stays, with its read marks.

    `progress` gets the number of events loaded. Raises as `Database.run`.
    """
    await MemberStore(database).upsert(MEMBERS)
    events = EventStore(database)
    await events.record("acme", [_event(event_id) for event_id in ACME_EVENTS])
    await events.record("globex", [_event(event_id) for event_id in GLOBEX_EVENTS])
    await demo_notifications.load(database)
    first = GLOBEX_EVENTS.stop
    loaded = 0
    for batch in _batches(range(first, first + further)):
        await events.record("acme", [_event(event_id) for event_id in batch])
        loaded += len(batch)
        progress(loaded)


def _event(event_id: int) -> NewSystemEvent:
    # With an id of its own, recording an event again does nothing.
    kind = _TYPES[event_id % len(_TYPES)]
    title = f"{kind.replace('.', ' ').capitalize()} (demo event {event_id})"
    return NewSystemEvent(event_id, kind, title, payload=f'{{"demo": {event_id}}}', occurred_at=None)


def _batches(event_ids: Iterable[int]) -> Iterator[list[int]]:
    remaining = iter(event_ids)
    while batch := list(islice(remaining, EVENTS_PER_CALL)):
        yield batch
