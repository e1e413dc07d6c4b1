"""Judges a history by what the database holds afterwards.

Each event is a register for each member: unread at first, then written by calls whose times may overlap. What it holds
in the end is allowed if some call that may have written it is not strictly followed by an acknowledged call that wrote
the other value. A call whose end nobody knows may take effect late, so nothing strictly follows it.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.chaos.history import CreateCall, Ending, History, MarkCall
from tests.chaos.stored import Stored, StoredNotification
from tests.chaos.world import World


def faults(history: History, stored: Stored, world: World, *, unrecorded: Collection[str] = ()) -> list[str]:
    """What is wrong, a line each; empty for a history that the database bears out.

    What members have read who are `unrecorded` is in no history. All else is judged of them as well.
    """
    return [
        *_strangers(stored),
        *_registers(history, stored, world, unrecorded),
        *_unread_counts(stored),
        *_matches(history, world),
        *_changes(history, world),
        *_keys(history, stored, world),
    ]


def _strangers(stored: Stored) -> Iterator[str]:
    """Nothing lies in another organisation than its member, and nothing names nobody."""
    for read in stored.read:
        if read.user_id is None or read.event_id is None or not read.own:
            yield f"stranger: {read.user_id} has read {read.event_id}, own organisation: {read.own}"
    for notification in stored.notifications:
        if notification.user_id is None or not notification.own:
            yield f"stranger: notification {notification.id} of {notification.user_id} in {notification.org_id}"


@dataclass(slots=True)
class Register:
    """What calls have made of one event for one member."""

    over: dict[bool, float] = field(default_factory=lambda: {False: -math.inf})
    """Value → when the last call that may have written it was over."""
    begun: dict[bool, float] = field(default_factory=lambda: {False: -math.inf})
    """Value → when the last acknowledged call that wrote it began."""

    def write(self, call: MarkCall) -> None:
        if call.ending is Ending.REFUSED:
            return
        self.over[call.read] = max(self.over.get(call.read, -math.inf), call.over)
        if call.ending is Ending.ACKNOWLEDGED:
            self.begun[call.read] = max(self.begun.get(call.read, -math.inf), call.begun)

    def may_be(self, read: bool) -> bool:
        return read in self.over and self.over[read] >= self.begun.get(not read, -math.inf)


def _registers(history: History, stored: Stored, world: World, unrecorded: Collection[str]) -> Iterator[str]:
    """No acknowledged mark or unmark is missing, and nothing is read that nobody has marked."""
    registers: defaultdict[tuple[str, int], Register] = defaultdict(Register)
    for call in history.marks:
        for event_id in _own_ids(call, world):
            registers[call.user_id, event_id].write(call)
    times = Counter((read.user_id, read.event_id) for read in stored.read)
    for (user, event), count in times.items():
        if count > 1:
            yield f"twice: {user} has read {event} in {count} places"
        if user and event and user not in unrecorded and not registers[user, event].may_be(True):
            yield f"phantom: {user} has read {event}"
    for (user_id, event_id), register in registers.items():
        if (user_id, event_id) not in times and not register.may_be(False):
            yield f"lost: {user_id} has not read {event_id}"


def _unread_counts(stored: Stored) -> Iterator[str]:
    for unread in stored.unread:
        if unread.told != unread.found:
            yield f"unread count: {unread.user_id} is told {unread.told}, a full scan finds {unread.found}"


def _matches(history: History, world: World) -> Iterator[str]:
    """Each acknowledged call has matched exactly its own organisation's events, and changed no more."""
    for call in history.marks:
        if call.result is None:
            continue
        own = len(_own_ids(call, world))
        if call.result.matched != own:
            yield f"matched: {call.user_id} was told {call.result.matched} of {own}"
        if not 0 <= call.result.changed <= own:
            yield f"changed: {call.user_id} was told {call.result.changed} of {own}"


def _changes(history: History, world: World) -> Iterator[str]:
    """No member was told of more changes than there can have been: an event turns back only by a call the other way."""
    told: Counter[tuple[str, bool]] = Counter()
    named: defaultdict[str, dict[bool, Counter[int]]] = defaultdict(lambda: {True: Counter(), False: Counter()})
    for call in history.marks:
        if call.ending is not Ending.REFUSED:
            named[call.user_id][call.read].update(_own_ids(call, world))
        if call.result is not None:
            told[call.user_id, call.read] += call.result.changed
    for (user_id, read), changes in told.items():
        possible = _most_changes(named[user_id][read], named[user_id][not read], first=read)
        if changes > possible:
            way = "read" if read else "unread"
            yield f"counted: {user_id} was told of {changes} events turned {way}, {possible} are possible"


def _most_changes(calls: Mapping[int, int], back: Mapping[int, int], *, first: bool) -> int:
    # Unread at first: the first change of an event is to read.
    return sum(min(count, back[event_id] + first) for event_id, count in calls.items())


def _keys(history: History, stored: Stored, world: World) -> Iterator[str]:
    """Each idempotency key has one effect at most, and exactly one where a call was acknowledged."""
    calls: defaultdict[str, list[CreateCall]] = defaultdict(list)
    for call in history.creations:
        calls[call.key].append(call)
    effects: defaultdict[str, list[StoredNotification]] = defaultdict(list)
    for notification in stored.notifications:
        effects[notification.title].append(notification)
    for key in calls.keys() | effects.keys():
        yield from (f"key {key}: {fault}" for fault in _effect(calls[key], effects[key], world))


def _effect(calls: list[CreateCall], found: list[StoredNotification], world: World) -> Iterator[str]:
    if len({(one.org_id, one.seq) for one in found}) > 1:
        yield "several effects"
    if found and all(call.ending is Ending.REFUSED for call in calls):
        yield "an effect that nobody was told of"
    for call in calls:
        expected = Counter(user for user in set(call.recipients) if user in world.of and _is_in(user, call, world))
        if found and Counter(one.user_id for one in found) != expected:
            yield "other recipients than it names"
        if call.ending is Ending.ACKNOWLEDGED and {one.id for one in found} != set(call.ids):
            yield "other ids than were told"


def _is_in(user_id: str, call: CreateCall, world: World) -> bool:
    return world.of[user_id].org_id == call.org_id


def _own_ids(call: MarkCall, world: World) -> set[int]:
    events = world.of[call.user_id].events
    return {event_id for event_id in call.event_ids if event_id in events}


def summary(found: Iterable[str], shown: int = 5) -> str:
    """The faults in one line: how many, and the first."""
    lines = list(found)
    return f"{len(lines)} faults: {'; '.join(lines[:shown])}"
