"""Makes a history: clients of several servers act at the same time on a few members."""

import asyncio
import math
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from readstate.errors import ReadStateError, SystemEventNotFound
from readstate.model import EventQuery, MarkResult, NewMember, NewSystemEvent, OrgMember, Retention
from readstate.store import pool
from readstate.store.events import EventStore
from readstate.store.inbox.store import InboxStore
from readstate.store.marks.store import MarkStore
from readstate.store.marks.writer import Mark
from readstate.store.members import MemberStore
from readstate.store.read_cursor.tidy import CursorTidier
from readstate.store.retention.events import EventPruner
from readstate.store.retention.marks import MarkPruner
from readstate.store.retention.store import RetentionStore
from readstate.telemetry.metrics import Metrics
from tests.store.data import Connection
from tests.store.histories.audit import audit

ORGS = ("red", "blue")
TYPES = ("a", "b", "c")
WEIGHTS = {
    "read": 24, "unread": 14, "read_with_state": 4, "mark_all": 6, "undo": 6, "count": 8, "page": 10, "readers": 3,
    "record": 8, "prune": 1, "tidy": 4, "audit": 3, "remove": 1,
}  # fmt: skip

NOTHING = 10**9
"""An id that names nothing."""

Step = tuple[str, int]
"""What a client does, and a number that everything else about it follows from."""
Program = Sequence[Sequence[Step]]
"""The steps of each client."""


@dataclass(frozen=True)
class Entry:
    """One call: what it was, when, and what it was told."""

    began: float
    ended: float
    op: str
    member: OrgMember
    asked: Any
    told: Any


@dataclass
class Span:
    """A call that moves an end of the stream. It may be seen from when it began."""

    began: float
    position: int
    ended: float = math.inf


@dataclass
class History:
    """All that has happened."""

    entries: list[Entry] = field(default_factory=list)
    types: dict[tuple[int, int], str] = field(default_factory=dict)
    """Of each event: organisation and position. Ids are positions here."""
    records: dict[int, list["Span"]] = field(default_factory=lambda: defaultdict(list))
    """Of each organisation: the calls that recorded, and the last position that each made."""
    prunes: dict[int, list["Span"]] = field(default_factory=lambda: defaultdict(list))
    """The same of those that pruned, and the position up to which."""
    removals: dict[OrgMember, float] = field(default_factory=dict)
    """When the removal of a member began."""
    wrong: list[str] = field(default_factory=list)
    """What audits have found."""


class Server:
    """The stores of one server."""

    def __init__(self, database: pool.Database) -> None:
        self.marks = MarkStore(database, Metrics())
        self.own_result: ContextVar[MarkResult] = ContextVar("own_result")
        """Of the mark that the current task has made, without the state that was asked for with it."""
        submit = self.marks._reads.submit

        async def noted(mark: Mark, **whose: Any) -> MarkResult:
            result = await submit(mark, **whose)
            self.own_result.set(result)
            return result

        self.marks._reads.submit = noted  # type: ignore[method-assign, assignment]
        self.inbox = InboxStore(database)
        self.events = EventStore(database)
        self.members = MemberStore(database)
        self.tidier = CursorTidier(database)
        self.database = database
        self.retention = RetentionStore(database)


class Run:
    """One history on an empty database."""

    def __init__(self, servers: Sequence[Server], connection: Connection, members: dict[str, list[OrgMember]]) -> None:
        self.history = History()
        self._servers = servers
        self._connection = connection
        self._beside = asyncio.Lock()
        self._members = [member for org in ORGS for member in members[org]]
        self._leaving = {members[org][-1].org_key: members[org][-1] for org in ORGS}
        self._org_ids = {members[org][0].org_key: org for org in ORGS}
        self._shown: dict[int, int] = defaultdict(int)
        self._tokens: dict[OrgMember, list[str]] = defaultdict(list)

    async def client(self, number: int, steps: Sequence[Step]) -> None:
        server = self._servers[number % len(self._servers)]
        for op, seed in steps:
            chance = random.Random(seed)
            await self._step(server, op, chance.choice(self._members), chance)

    async def _step(self, server: Server, op: str, member: OrgMember, chance: random.Random) -> None:
        began = time.monotonic()
        try:
            done = await getattr(self, f"_{op}")(server, member, chance, began)
        except ReadStateError as error:
            self.history.wrong.append(f"{op} of {member} failed: {error!r} {error.__cause__!r}")
            return
        if done is not None:
            name = "read" if op == "read_with_state" else op
            self.history.entries.append(Entry(began, time.monotonic(), name, member, *done))

    def _ids(self, member: OrgMember, chance: random.Random) -> list[int]:
        head = max(1, self._shown[member.org_key])
        first = chance.randint(1, head)
        run = range(first, min(first + chance.choice((1, 1, 2, 12)), head + 1))
        others = (chance.choice((chance.randint(1, head), NOTHING)) for _ in range(chance.choice((0, 1, 5))))
        return list(dict.fromkeys([*run, *others]))

    async def _read(self, server: Server, member: OrgMember, chance: random.Random, _: float) -> Any:
        ids = self._ids(member, chance)
        return ids, await server.marks.mark_read(member, ids)

    async def _read_with_state(self, server: Server, member: OrgMember, chance: random.Random, began: float) -> Any:
        ids = self._ids(member, chance)
        result = await server.marks.mark_read(member, ids, with_state=True)
        assert result.state is not None
        if result.version != result.state.version:
            self.history.wrong.append(f"{result} is of two versions")
        # The state is that of another moment than the mark.
        self.history.entries.append(Entry(began, time.monotonic(), "count", member, None, result.state))
        return ids, server.own_result.get()

    async def _unread(self, server: Server, member: OrgMember, chance: random.Random, _: float) -> Any:
        ids = self._ids(member, chance)
        return ids, await server.marks.mark_unread(member, ids)

    async def _mark_all(self, server: Server, member: OrgMember, chance: random.Random, _: float) -> Any:
        shown = self._shown[member.org_key]
        up_to = chance.choice((shown, chance.randint(0, shown), 10**9))
        result = await server.inbox.mark_all_read(member, up_to)
        if result.undo_token is not None:
            self._tokens[member].append(result.undo_token)
        return up_to, result

    async def _undo(self, server: Server, member: OrgMember, chance: random.Random, _: float) -> Any:
        if not self._tokens[member]:
            return None
        token = chance.choice(self._tokens[member][-4:])
        return token, await server.inbox.undo_mark_all(member, token)

    async def _count(self, server: Server, member: OrgMember, chance: random.Random, _: float) -> Any:
        state = await server.inbox.unread_count(member)
        self._shown[member.org_key] = max(self._shown[member.org_key], state.head)
        return None, state

    async def _page(self, server: Server, member: OrgMember, chance: random.Random, _: float) -> Any:
        head = self._shown[member.org_key]
        query = EventQuery(
            limit=chance.randint(1, 20),
            before=chance.choice((None, chance.randint(1, head + 2))),
            skip=chance.choice((0, 0, 3)),
            unread_only=chance.random() < 0.6,
            types=chance.choice(((), (), ("a",), ("b", "c"))),
            with_total=chance.random() < 0.3,
        )
        page = await server.inbox.page(member, query)
        self._shown[member.org_key] = max(head, page.state.head)
        return query, page

    async def _readers(self, server: Server, member: OrgMember, chance: random.Random, began: float) -> Any:
        # What is pruned has no readers.
        pruned = max((span.position for span in self.history.prunes[member.org_key]), default=0)
        head = self._shown[member.org_key]
        if pruned >= head or self.history.removals:
            return None
        event_id = chance.randint(pruned + 1, head)
        try:
            page = await server.inbox.readers(member.org_key, event_id, None, 100)
        except SystemEventNotFound:
            if self._is_pruned(member, event_id):  # meanwhile
                return None
            raise
        if self._is_pruned(member, event_id):
            return None
        return event_id, {reader.user_id for reader in page.readers}

    def _is_pruned(self, member: OrgMember, event_id: int) -> bool:
        """Whether a prune of the event has begun."""
        return any(span.position >= event_id for span in self.history.prunes[member.org_key])

    async def _record(self, server: Server, member: OrgMember, chance: random.Random, began: float) -> Any:
        kinds = [chance.choice(TYPES) for _ in range(chance.randint(1, 6))]
        new = [NewSystemEvent(None, kind, "", None, None) for kind in kinds]
        self.history.records[member.org_key].append(span := Span(began, 0))
        ids = await server.events.record(self._org_ids[member.org_key], new)
        self.history.types |= {(member.org_key, event_id): kind for event_id, kind in zip(ids, kinds, strict=True)}
        span.position, span.ended = ids[-1], time.monotonic()

    async def _prune(self, server: Server, member: OrgMember, chance: random.Random, began: float) -> Any:
        up_to = chance.randint(0, self._shown[member.org_key] // 2)
        self.history.prunes[member.org_key].append(span := Span(began, up_to))
        # Another prune may be deleting some of them.
        async with self._beside:
            await self._connection.execute(AGE_EVENTS, member.org_key, up_to, LONG_AGO)
        if chance.random() < 0.5:
            kept = Retention(DAY, None, unread_notifications=False)
            await server.retention.prune(kept, in_bulk=chance.random() < 0.5)
        else:
            # As runs that break off: cursors are behind, or rows are left that count no more.
            await EventPruner(server.database).prune(member.org_key, datetime.now(UTC) - DAY)
            if chance.random() < 0.5:
                await MarkPruner(server.database, leaves_rows=True).prune(member.org_key)
        span.ended = time.monotonic()

    async def _tidy(self, server: Server, member: OrgMember, chance: random.Random, _: float) -> Any:
        server.tidier._rows_left.clear()  # tried before or not
        await server.tidier.sweep()

    async def _audit(self, server: Server, member: OrgMember, chance: random.Random, _: float) -> Any:
        async with self._beside:
            self.history.wrong += await audit(self._connection)

    async def _remove(self, server: Server, member: OrgMember, chance: random.Random, began: float) -> Any:
        leaving = self._leaving[member.org_key]
        self.history.removals.setdefault(leaving, began)
        await server.members.remove([user_of(leaving)])
        await server.members.sweep()


AGE_EVENTS = """
UPDATE system_event SET recorded_at = $3
 WHERE (org_key, seq) IN (SELECT org_key, seq FROM system_event WHERE org_key = $1 AND seq <= $2
                           ORDER BY seq FOR UPDATE SKIP LOCKED)
"""
DAY = timedelta(days=1)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def user_of(member: OrgMember) -> str:
    return f"user{member.member_key}"


EMPTY = """
TRUNCATE organization, member, event_stream, system_event, read_mark, read_cursor RESTART IDENTITY
"""


async def run(
    databases: Sequence[pool.Database], connection: Connection, program: Program, staying: int = 3
) -> History:
    """Empty the database, and run the program's clients at the same time; each database is a server's.

    Each organisation has `staying` members, and one more, who may be removed meanwhile.
    """
    await connection.execute(EMPTY)
    servers = [Server(database) for database in databases]
    members = await _members(servers[0], connection, staying + 1)
    made = Run(servers, connection, members)
    for org in ORGS:
        await made._record(servers[0], members[org][0], random.Random(0), time.monotonic())
    await asyncio.gather(*(made.client(number, steps) for number, steps in enumerate(program)))
    made.history.wrong += await audit(connection)
    return made.history


async def _members(server: Server, connection: Connection, of_each: int) -> dict[str, list[OrgMember]]:
    """Users whose names follow from their keys."""
    names = [f"{org}{n}" for org in ORGS for n in range(of_each)]
    await server.members.upsert([NewMember(name, name.rstrip("0123456789")) for name in names])
    await connection.execute("UPDATE member SET user_id = 'user' || member_key")
    rows = await connection.fetch(
        "SELECT org_id, member_key, org_key FROM member JOIN organization USING (org_key) ORDER BY member_key"
    )
    found: dict[str, list[OrgMember]] = defaultdict(list)
    for row in rows:
        found[row["org_id"]].append(OrgMember(row["member_key"], row["org_key"]))
    return found


def random_program(seed: int, clients: int, steps: int, ops: Sequence[str] = ()) -> Program:
    """A program of so many clients with so many steps each: of these kinds, as often as each is named, or of all."""
    chance = random.Random(seed)
    names = ops or [op for op, weight in WEIGHTS.items() for _ in range(weight)]
    return [[(chance.choice(names), chance.getrandbits(32)) for _ in range(steps)] for _ in range(clients)]
