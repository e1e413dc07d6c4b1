"""The states of watched members: all that differ, and hardly any that do not."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from readstate.errors import MemberMoved, NoOrganization, UnknownUser
from readstate.model import (
    InboxState,
    NewMember,
    NewSystemEvent,
    NotificationContent,
    OrgMember,
    Priority,
)
from readstate.store import unread
from readstate.store.events import EventStore
from readstate.store.inbox.store import InboxStore
from readstate.store.marks.store import MarkStore
from readstate.store.members import MemberStore
from readstate.store.notifications.store import NotificationStore
from readstate.store.pool import Database
from readstate.store.retention.events import EventPruner
from readstate.store.unread import Known, Question, UnreadStates
from tests.store.data import Connection

ORGS = [f"org{number}" for number in range(4)]
EVENT = NewSystemEvent(None, "t", "", None, None)
CONTENT = NotificationContent("c", "t", None, Priority.NORMAL, None, None)


class World:
    """Twelve members in four organisations, and everything that can change for them."""

    def __init__(self, database: Database, marks: MarkStore) -> None:
        self.members: list[OrgMember] = []
        self._store, self._marks = MemberStore(database), marks
        self._inbox, self._events = InboxStore(database), EventStore(database)
        self._notifications, self._pruner = NotificationStore(database), EventPruner(database)

    async def fill(self) -> None:
        users = {f"user{number}": ORGS[number % len(ORGS)] for number in range(12)}
        await self._store.upsert([NewMember(user, org) for user, org in users.items()])
        for org in ORGS[1:]:  # nothing has been recorded in the first one
            await self._events.record(org, [EVENT] * 20)
        for org in ORGS:
            found = await self._store.find_in_organization(org, list(users))
            self.members += found.values()

    async def change(self, seed: random.Random) -> None:
        member = seed.choice(self.members)
        ids = seed.sample(range(1, 30), 5)
        match seed.randrange(7):
            case 0:
                await self._events.record(seed.choice(ORGS), [EVENT] * seed.randrange(1, 3))
            case 1:
                await self._pruner.prune(member.org_key, datetime.now(UTC) - timedelta(seconds=seed.random()))
            case 2:
                await self._notifications.create([member], CONTENT)
            case 3:
                await self._notifications.mark_all_read(member, None)
            case 4:
                await self._inbox.mark_all_read(member, seed.randrange(30))
            case 5:
                await self._marks.mark_unread(member, ids)
            case _:
                await self._marks.mark_read(member, ids)

    async def states(self) -> dict[OrgMember, InboxState]:
        return {
            member: InboxState(await self._inbox.unread_count(member), await self._notifications.unread_summary(member))
            for member in self.members
        }


@pytest.fixture(params=[1, 1_000], ids=["each organisation by itself", "all together"], autouse=True)
def crowd(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unread, "CROWD", request.param)


@pytest.fixture
async def world(database: Database, marks: MarkStore) -> World:
    found = World(database, marks)
    await found.fill()
    return found


async def test_what_is_told_of_changes_makes_the_whole(world: World, database: Database) -> None:
    states, seed = UnreadStates(database), random.Random(7)
    known = {member: Known(member) for member in world.members}

    async def told() -> dict[OrgMember, InboxState | None]:
        known.update(await states.changed(Question(list(known.values()))))
        return {member: each.state for member, each in known.items()}

    for _ in range(40):
        for _ in range(seed.randrange(3)):
            await world.change(seed)
        await told()
        found = await told()  # whoever had to be settled is told the second time
        truth = await world.states()
        assert found == truth
        assert [state and state.versions for state in found.values()] == [s.versions for s in truth.values()]
        assert await states.changed(Question(list(known.values()))) == {}
        assert await states.changed(Question([Known(member) for member in known])) == known


async def test_only_who_differs_is_told(world: World, database: Database, marks: MarkStore) -> None:
    states = UnreadStates(database)
    known = await states.changed(Question([Known(member) for member in world.members]))
    member = world.members[-1]
    await marks.mark_read(member, [1])
    changed = await states.changed(Question(list(known.values())))
    assert changed.keys() == {member}


async def test_who_knows_less_than_others_of_the_organisation_is_told(world: World, database: Database) -> None:
    """As a stream that opens: it reads, then an event comes, its neighbours are told, and it is published."""
    states, events = UnreadStates(database), EventStore(database)
    before = await states.changed(Question([Known(member) for member in world.members]))
    await events.record(ORGS[1], [EVENT])
    known = before | await states.changed(Question(list(before.values())))
    late = next(member for member in known if known[member] != before[member])
    changed = await states.changed(Question([*(known | {late: before[late]}).values()]))
    assert changed[late] == known[late]


async def test_who_is_not_where_they_were_is_gone(database: Database, connection: Connection) -> None:
    members, states = MemberStore(database), UnreadStates(database)
    users = ["removed", "moved", "left", "stays"]
    await members.upsert([NewMember(user, "org") for user in users])
    found = await members.find_in_organization("org", users)
    assert await states.gone(list(found.values())) == {}
    await members.remove(["removed"])
    await members.upsert([NewMember("moved", "other"), NewMember("left", None)])
    gone = await states.gone(list(found.values()))
    told = {user: type(gone[member]) for user, member in found.items() if member in gone}
    assert told == {"removed": UnknownUser, "moved": MemberMoved, "left": NoOrganization}
    from_claims = await UnreadStates(database, organization_from_claims=True).gone(list(found.values()))
    assert from_claims.keys() == {found["removed"]}
    await connection.execute("DELETE FROM member WHERE user_id = 'removed'")
    assert (await states.gone([found["removed"]])).keys() == {found["removed"]}
