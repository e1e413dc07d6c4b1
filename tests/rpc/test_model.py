"""Any sequence of calls by any users does what a small model of sets does."""

import asyncio
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from readstate.client import ReadState
from readstate.errors import InvalidEventIds, NoOrganization, ReadStateError, UnknownUser
from readstate.model import MarkResult
from tests.conftest import ClientFor

ORGS = ["red", "blue"]
USERS = ["a", "b", "c"]

ids = st.lists(st.integers(-1, 7), max_size=8)
users = st.sampled_from(USERS)
orgs = st.sampled_from(ORGS)
calls = st.one_of(
    st.tuples(st.just("read"), users, ids),
    st.tuples(st.just("unread"), users, ids),
    st.tuples(st.just("record"), orgs, st.lists(st.none() | st.integers(1, 7), min_size=1, max_size=4)),
    st.tuples(st.just("upsert"), users, st.none() | orgs),
    st.tuples(st.just("remove"), st.lists(users, min_size=1, max_size=3)),
)


@dataclass
class Model:
    """Everything that the service remembers."""

    events: dict[str, list[int]] = field(default_factory=lambda: {org: [] for org in ORGS})
    """In the order of the stream."""
    members: dict[str, tuple[int, str | None]] = field(default_factory=dict)
    """Which life of the user this is, and their organisation."""
    marks: set[tuple[str, int, str, int]] = field(default_factory=set)
    """User, life, organisation, event."""
    lives: Any = field(default_factory=count)

    def read(self, user: str, event_ids: list[int]) -> MarkResult:
        life, org = self._caller(user)
        if org is None:
            raise NoOrganization
        named = self._named(org, event_ids)
        new = {(user, life, org, event_id) for event_id in named} - self.marks
        self.marks |= new
        return MarkResult(changed=len(new), matched=len(named))

    def unread(self, user: str, event_ids: list[int]) -> MarkResult:
        life, org = self._caller(user)
        named = self._named(org, event_ids)
        if org is None:
            return MarkResult(changed=0, matched=0)
        old = {(user, life, org, event_id) for event_id in named} & self.marks
        self.marks -= old
        return MarkResult(changed=len(old), matched=len(named))

    def record(self, org: str, event_ids: list[int | None]) -> list[int]:
        stream = self.events[org]
        largest = max([0, *stream, *(event_id for event_id in event_ids if event_id is not None)])
        following = count(largest + 1)
        assigned = [next(following) if event_id is None else event_id for event_id in event_ids]
        stream.extend(event_id for event_id in dict.fromkeys(assigned) if event_id not in stream)
        return assigned

    def upsert(self, user: str, org: str | None) -> None:
        life = self.members[user][0] if user in self.members else next(self.lives)
        self.members[user] = (life, org)

    def remove(self, names: list[str]) -> int:
        return len([self.members.pop(user) for user in set(names) if user in self.members])

    def _caller(self, user: str) -> tuple[int, str | None]:
        if user not in self.members:
            raise UnknownUser
        return self.members[user]

    def _named(self, org: str | None, event_ids: list[int]) -> set[int]:
        positive = {event_id for event_id in event_ids if event_id > 0}
        if not positive:
            raise InvalidEventIds
        return positive & set(self.events[org] if org else ())


class Service:
    """The real one, by the same names. A prefix of its own keeps one example from the next."""

    def __init__(self, prefix: str, producer: ReadState, client_for: ClientFor) -> None:
        self._prefix = prefix
        self._producer = producer
        self._clients = {user: client_for(prefix + user) for user in USERS}

    async def read(self, user: str, event_ids: list[int]) -> MarkResult:
        return await self._clients[user].mark_read(event_ids)

    async def unread(self, user: str, event_ids: list[int]) -> MarkResult:
        return await self._clients[user].mark_unread(event_ids)

    async def record(self, org: str, event_ids: list[int | None]) -> list[int]:
        events = [{"type": "t"} | ({} if event_id is None else {"event_id": event_id}) for event_id in event_ids]
        return await self._producer.record_system_events(self._prefix + org, events)

    async def upsert(self, user: str, org: str | None) -> None:
        await self._producer.upsert_members({self._prefix + user: None if org is None else self._prefix + org})

    async def remove(self, names: list[str]) -> int:
        return await self._producer.remove_members([self._prefix + user for user in names])


prefixes = (f"{i}-" for i in count())


@pytest.fixture
async def connection(database_url: str) -> Any:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=st.lists(calls, min_size=15, max_size=60))  # without a minimum hypothesis makes short ones
async def test_any_sequence_of_calls_does_what_the_model_does(
    sequence: list[tuple[Any, ...]], producer: ReadState, client_for: ClientFor, connection: Any
) -> None:
    prefix = next(prefixes)
    model, service = Model(), Service(prefix, producer, client_for)
    for user in USERS:
        await both(model, service, "upsert", user, ORGS[USERS.index(user) % 2])
    for name, *args in sequence:
        await both(model, service, name, *args)
    assert await stored(connection, prefix) == (
        {
            (prefix + user, prefix + org, event_id)
            for user, life, org, event_id in model.marks
            if model.members.get(user, (None, None))[0] == life
        },
        {(prefix + org, seq, id_) for org in ORGS for seq, id_ in enumerate(model.events[org], start=1)},
    )


async def both(model: Model, service: Service, name: str, *args: Any) -> None:
    expected: object
    try:
        expected = getattr(model, name)(*args)
    except ReadStateError as error:
        expected = type(error)
    found: object
    try:
        found = await getattr(service, name)(*args)
    except ReadStateError as error:
        found = type(error)
    note(f"{name}{args} → {found}")
    assert found == expected


async def stored(connection: Any, prefix: str) -> tuple[set[Any], set[Any]]:
    marks = await connection.fetch(
        "SELECT user_id, org_id, event_id FROM read_mark r JOIN member USING (member_key)"
        "  JOIN organization o ON o.org_key = r.org_key"
        "  JOIN system_event e ON (e.org_key, e.seq) = (r.org_key, r.seq)"
        " WHERE starts_with(user_id, $1) AND removed_at IS NULL",
        prefix,
    )
    events = await connection.fetch(
        "SELECT org_id, seq, event_id FROM system_event JOIN organization USING (org_key)"
        " WHERE starts_with(org_id, $1)",
        prefix,
    )
    return {tuple(row) for row in marks}, {tuple(row) for row in events}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rounds=st.lists(
        st.tuples(st.booleans(), st.lists(st.tuples(users, ids), min_size=5, max_size=30)), min_size=4, max_size=8
    )
)
async def test_calls_at_the_same_time_change_together_what_the_model_changes_one_by_one(
    rounds: list[tuple[bool, list[tuple[str, list[int]]]]], producer: ReadState, client_for: ClientFor
) -> None:
    model, service = Model(), Service(next(prefixes), producer, client_for)
    for i, user in enumerate(USERS):
        await both(model, service, "upsert", user, ORGS[i % 2])
    for org in ORGS:
        await both(model, service, "record", org, [3, None, 1, None, 9])
    for reading, batch in rounds:
        named = [(user, event_ids) for user, event_ids in batch if max(event_ids, default=0) > 0]
        act, model_act = (service.read, model.read) if reading else (service.unread, model.unread)
        found = await asyncio.gather(*(act(*call) for call in named))
        expected = [model_act(*call) for call in named]
        assert [result.matched for result in found] == [result.matched for result in expected]
        for user in USERS:
            mine = [i for i, (caller, _) in enumerate(named) if caller == user]
            assert sum(found[i].changed for i in mine) == sum(expected[i].changed for i in mine)
