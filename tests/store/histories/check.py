"""Replays a history against sets, and says what does not fit.

Every change of what a member has read makes a version, so the versions say in which order the changes took effect. A
version that no call was told of is the store's own, as of folding: it changes nothing that a caller can see.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from readstate.model import EventPage, EventQuery, OrgMember, UnreadState
from tests.store.histories.run import NOTHING, Entry, History, user_of

Positions = frozenset[int]
CHANGES = ("read", "unread", "mark_all", "undo")


def check(history: History) -> list[str]:
    """What is wrong with the history."""
    wrong = list(history.wrong)
    by_member: dict[OrgMember, list[Entry]] = defaultdict(list)
    for entry in history.entries:
        by_member[entry.member].append(entry)
    replays = {}
    for member, entries in by_member.items():
        # Who is being removed loses what they have read, sooner or later.
        if member not in history.removals:
            replays[member] = replay = Replay(history, member, entries)
            wrong += replay.check()
    for entry in history.entries:
        if entry.op == "readers":
            wrong += _readers(entry, replays)
    return wrong


class Replay:
    """What one member has read after each version."""

    def __init__(self, history: History, member: OrgMember, entries: list[Entry]) -> None:
        self._history = history
        self._member = member
        self._entries = entries
        self.states: dict[int, Positions] = {0: frozenset()}
        self.changes: dict[int, list[Entry]] = {}
        """The calls that each version is made of: several, where they left in one batch."""
        self._doubtful: set[int] = set()
        """Positions that were marked while they may have been pruned: nobody knows what came of them."""

    def check(self) -> list[str]:
        return [f"{self._member}: {problem}" for problem in (*self._replay(), *self._order(), *self._reads())]

    # -- The ends of the stream, as far as a call may have seen them

    def _heads(self, entry: Entry) -> tuple[int, int]:
        spans = self._history.records[self._member.org_key]
        return (
            max((span.position for span in spans if span.ended < entry.began), default=0),
            max((span.position for span in spans if span.began <= entry.ended), default=0),
        )

    def _pruned(self, entry: Entry) -> tuple[int, int]:
        spans = self._history.prunes[self._member.org_key]
        return (
            max((span.position for span in spans if span.ended < entry.began), default=0),
            max((span.position for span in spans if span.began <= entry.ended), default=0),
        )

    # -- Changes, in the order of their versions

    def _replay(self) -> Iterator[str]:
        changes = [entry for entry in self._entries if entry.op in CHANGES and entry.told.changed]
        changes.sort(key=_version)
        state = self.states[0]
        for version, group in groupby(changes, key=_version):
            calls = list(group)
            self.changes[version] = calls
            ops = {entry.op for entry in calls}
            if len(ops) > 1 or (len(calls) > 1 and not ops <= {"read", "unread"}):
                yield f"version {version} was made twice: {calls}"
            before, state = state, self._after(state, calls)
            self.states[version] = state
            yield from self._counted(version, calls, before, state)

    def _after(self, state: Positions, calls: list[Entry]) -> Positions:
        for entry in calls:
            low, high = self._pruned(entry)
            match entry.op:
                case "read":
                    targets = self._targets(entry)
                    self._doubtful |= {seq for seq in targets if low < seq <= high}
                    state |= {seq for seq in targets if seq > low}
                case "unread":
                    state -= self._targets(entry)
                case "mark_all":
                    state |= _ranges(entry.told.undo_token)
                case "undo":
                    state -= _ranges(entry.asked)
        return state

    def _targets(self, entry: Entry) -> Positions:
        """The events that a call names, and that were there when it began."""
        return frozenset(seq for seq in entry.asked if seq != NOTHING)

    def _counted(self, version: int, calls: list[Entry], before: Positions, after: Positions) -> Iterator[str]:
        low, high = self._pruned(calls[0])
        moved = {seq for seq in before ^ after if seq > low} - self._doubtful
        changed = sum(entry.told.changed for entry in calls)
        unsure = {seq for seq in before ^ after if seq <= high} | self._doubtful
        if not len(moved - unsure) <= changed <= len(moved | (unsure & (before ^ after))):
            yield f"version {version} changed {changed} instead of {sorted(moved)}: {calls}"
        for entry in calls:
            if entry.op == "mark_all":
                yield from self._mark_all(entry, before, after)

    def _mark_all(self, entry: Entry, before: Positions, after: Positions) -> Iterator[str]:
        changed = _ranges(entry.told.undo_token)
        _, high = self._pruned(entry)
        if changed & before - self._doubtful:
            yield f"read already: {sorted(changed & before)} by {entry}"
        known, possible = self._heads(entry)
        if max(changed) > min(entry.asked, possible):
            yield f"read beyond: {entry}"
        missed = set(range(high + 1, min(entry.asked, known) + 1)) - after - self._doubtful
        if missed:
            yield f"not read: {sorted(missed)} by {entry}"

    def _order(self) -> Iterator[str]:
        """Nobody's change is before one that was over when they began."""
        latest = 0.0
        for version, calls in sorted(self.changes.items()):
            if any(entry.ended < latest for entry in calls):
                yield f"version {version} is too late: {calls}"
            latest = max(latest, *(entry.began for entry in calls))

    # -- Calls that change nothing

    def _reads(self) -> Iterator[str]:
        for entry in self._entries:
            version = _version(entry)
            if version is None:
                continue
            if any(
                call.ended < entry.began for later in self.changes if later > version for call in self.changes[later]
            ):
                yield f"stale: {entry}"
            if any(call.began > entry.ended for call in self.changes.get(version, ())):
                yield f"from the future: {entry}"
            state = self.states[max(made for made in self.states if made <= version)]
            yield from self._fits(entry, state)

    def _fits(self, entry: Entry, state: Positions) -> Iterator[str]:
        match entry.op:
            case "count":
                yield from self._counts(entry, entry.told, state)
            case "page":
                yield from self._counts(entry, entry.told.state, state)
                yield from self._page(entry, entry.asked, entry.told, state)
            case "read" | "unread":
                yield from self._matched(entry)
                yield from self._marked(entry, state)
            case "mark_all" | "undo":
                yield from self._counts(entry, entry.told, state)

    def _marked(self, entry: Entry, state: Positions) -> Iterator[str]:
        """A mark that changed nothing found everything as it was to be."""
        if entry.told.changed:
            return
        named = {seq for seq in self._targets(entry) if seq > self._pruned(entry)[1]} - self._doubtful
        if entry.op == "unread" and named & state:
            yield f"still read: {entry} in {sorted(state)}"
        if entry.op == "read" and named - state:
            yield f"still unread: {entry} in {sorted(state)}"

    def _matched(self, entry: Entry) -> Iterator[str]:
        low, high = self._pruned(entry)
        least, most = (sum(seq > gone for seq in self._targets(entry)) for gone in (high, low))
        if not least <= entry.told.matched <= most:
            yield f"matched from {least} to {most}: {entry}"

    def _counts(self, entry: Entry, told: Any, state: Positions) -> Iterator[str]:
        """The count is that of a full scan, for some head and some pruned position that the call may have seen."""
        (known, possible), (low, high) = self._heads(entry), self._pruned(entry)
        heads = range(known, possible + 1)
        if isinstance(told, UnreadState):
            if not known <= told.head <= possible:
                yield f"a head from {known} to {possible}: {entry}"
            heads = range(told.head, told.head + 1)
        pruned = range(low, high + 1)  # a prune is committed in steps, and a call may come between two
        counts = set()
        for head in heads:
            for gone in pruned:
                unread = set(range(gone + 1, head + 1)) - state
                doubtful = self._doubtful & set(range(gone + 1, head + 1))
                counts |= set(range(len(unread - doubtful), len(unread | doubtful) + 1))
        if told.unread not in counts:
            yield f"unread is {sorted(counts)}: {entry} in {sorted(state)}"

    def _page(self, entry: Entry, query: EventQuery, told: EventPage, state: Positions) -> Iterator[str]:
        low, high = self._pruned(entry)
        fits = [self._listed(query, told.state.head, gone, state) for gone in {low, high}]
        found = [event.seq for event in told.events]
        flags = {event.seq: event.read for event in told.events}
        if any(read != (seq in state) for seq, read in flags.items() if seq not in self._doubtful):
            yield f"flags: {entry} in {sorted(state)}"
        if low != high or self._doubtful:
            return
        listed = fits[0]
        page = listed[query.skip : query.skip + query.limit]
        if found != page:
            yield f"listed {found} instead of {page}: {entry} in {sorted(state)}"
        more = len(listed) > query.skip + query.limit
        if told.next_before != (page[-1] if more else None):
            yield f"the next page: {entry}"
        whole = self._listed(query, told.state.head, low, state, paged=False)
        if told.total != (len(whole) if query.with_total else None):
            yield f"a total of {len(whole)}: {entry}"

    def _listed(self, query: EventQuery, head: int, pruned: int, state: Positions, *, paged: bool = True) -> list[int]:
        top = head if query.before is None or not paged else min(head, query.before - 1)
        return [
            seq
            for seq in range(top, pruned, -1)
            if not (query.unread_only and seq in state)
            and (not query.types or self._history.types[self._member.org_key, seq] in query.types)
        ]


def _readers(entry: Entry, replays: dict[OrgMember, Replay]) -> Iterator[str]:
    """Who had read it all the while is told, and who had not is not."""
    for member, replay in replays.items():
        if member.org_key != entry.member.org_key:
            continue
        states = [entry.asked in state for state in _possible(replay, entry)]
        told = user_of(member) in entry.told
        if told not in states:
            yield f"{member} among the readers: {entry}"


def _possible(replay: Replay, entry: Entry) -> Iterable[Positions]:
    over = [version for version, calls in replay.changes.items() if all(call.ended < entry.began for call in calls)]
    begun = [version for version, calls in replay.changes.items() if any(call.began <= entry.ended for call in calls)]
    first, last = max(over, default=0), max(begun, default=0)
    return [state for version, state in replay.states.items() if first <= version <= last]


def _version(entry: Entry) -> Any:
    if entry.op == "page":
        return entry.told.state.version
    return getattr(entry.told, "version", None)


def _ranges(token: str | None) -> Positions:
    found = re.findall(r"\[(\d+),(\d+)\)", token or "")
    return frozenset(seq for low, high in found for seq in range(int(low), int(high)))
