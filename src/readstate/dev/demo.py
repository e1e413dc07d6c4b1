"""The demo data of `readstate dev`: two organisations, four users, a hundred events of which ada has read twelve, more
events on request, and ten notifications."""

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

from readstate.dev import demo_notifications
from readstate.model import NewMember, NewSystemEvent
from readstate.store.events import EventStore
from readstate.store.inbox.store import InboxStore
from readstate.store.marks.store import MarkStore
from readstate.store.members import MemberStore
from readstate.store.pool import Database
from readstate.telemetry.metrics import Metrics

MEMBERS: Final = (
    NewMember("ada", "acme"),
    NewMember("grace", "acme"),
    NewMember("bob", "globex"),
    NewMember("carol", None),
)
ACME_EVENTS: Final = range(1, 51)
GLOBEX_EVENTS: Final = range(51, 101)
READ_BY_ADA: Final = range(4, 16)
EVENTS_PER_CALL: Final = 2_000

_TYPES: Final = ("deployment.finished", "invoice.issued", "bucket.created", "repo.updated", "user.created")
_ACTORS: Final = (
    ("grace", "Grace", "grace@acme.example"),
    ("bot-3", "Night watch", "bot-3@acme.example"),
)


async def load(database: Database, further: int, progress: Callable[[int], object]) -> None:
    """Load the demo data, and `further` events in acme. Data that is there stays, with its read marks.

    `progress` gets the number of events loaded. Raises as `Database.run`.
    """
    await MemberStore(database).upsert(MEMBERS)
    events = EventStore(database)
    await events.record("acme", [_event(event_id) for event_id in ACME_EVENTS])
    await events.record("globex", [_event(event_id) for event_id in GLOBEX_EVENTS])
    await demo_notifications.load(database)
    await _read(database)
    first = GLOBEX_EVENTS.stop
    loaded = 0
    for batch in _batches(range(first, first + further)):
        await events.record("acme", [_event(event_id) for event_id in batch])
        loaded += len(batch)
        progress(loaded)


def _event(event_id: int) -> NewSystemEvent:
    # With an id of its own, recording an event again does nothing.
    kind = _TYPES[event_id % len(_TYPES)]
    actor_id, name, email = _ACTORS[event_id % len(_ACTORS)]
    return NewSystemEvent(
        event_id,
        kind,
        title=f"{kind.replace('.', ' ').capitalize()} (demo event {event_id})",
        payload=json.dumps({"demo": event_id, "actor": {"name": name, "email": email}}),
        occurred_at=None,
        actor_id=actor_id,
        subject_id=f"{kind.partition('.')[0]}-{event_id}",
        workspace_id="main" if event_id % 2 else None,
    )


async def _read(database: Database) -> None:
    """Let ada have read some events, unless her read state has changed before: what she has done since stays done."""
    ada = (await MemberStore(database).find_in_organization("acme", ["ada"]))["ada"]
    if (await InboxStore(database).unread_count(ada)).version == 0:
        await MarkStore(database, Metrics()).mark_read(ada, list(READ_BY_ADA))


def _batches(event_ids: Iterable[int]) -> Iterator[list[int]]:
    remaining = iter(event_ids)
    while batch := list(islice(remaining, EVENTS_PER_CALL)):
        yield batch
