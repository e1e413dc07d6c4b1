"""Everything of a person or a tenant goes, and nothing of anybody else."""

import asyncio
import time
from collections import Counter

import pytest

from readstate.errors import NoOrganization
from readstate.model import Claims, EventQuery, KeyedRequest, NewMember, NewSystemEvent, OrgMember
from readstate.store.erasure import store as erasure
from readstate.store.erasure.store import ErasureStore
from readstate.store.events import EventStore
from readstate.store.idempotency import IdempotencyStore
from readstate.store.inbox.store import InboxStore
from readstate.store.marks.store import MarkStore
from readstate.store.members import MemberStore
from readstate.store.notifications.store import NotificationStore
from readstate.store.pool import Database
from readstate.store.retention import pace
from readstate.store.tickets import TicketStore
from tests.notifications.rules import CONTENT, one_waits_for_a_lock
from tests.store.data import Connection
from tests.store.histories.audit import audit
from tests.store.test_retention import NOTIFICATION_AUDIT

TABLES = (
    "organization", "member", "event_stream", "system_event", "read_mark", "read_cursor", "notification",
    "notification_cursor", "idempotency_key", "watch_ticket",
)  # fmt: skip
SENDER = '{"id": "ada", "type": "user", "name": "Ada", "handle": null, "avatar_url": null}'
AGENT = '{"id": "ada", "type": "agent", "name": "Bot", "handle": null, "avatar_url": null}'
ENTITY = '{"id": "ada", "type": "user", "name": "Ada", "handle": null}'
PAYLOAD = '{"actor": {"name": "Ada", "email": "ada@acme.example"}, "bucket": 7}'


async def reply() -> bytes:
    return b"reply"


class House:
    """Ada and Grace of acme, Bob of globex. Ada has been in globex, too."""

    def __init__(self, database: Database, marks: MarkStore) -> None:
        self.database = database
        self.marks = marks
        self.members = MemberStore(database)
        self.events = EventStore(database)
        self.notifications = NotificationStore(database)
        self.keys = IdempotencyStore(database)
        self.of: dict[tuple[str, str], OrgMember] = {}

    async def fill(self) -> None:
        await self._place("ada", "globex")
        for user, org in ("ada", "acme"), ("grace", "acme"), ("bob", "globex"):
            await self._place(user, org)
        for org in "acme", "globex":
            await self.events.record(org, [NewSystemEvent(None, "bucket.created", "", None, None)] * 20)
        for (user, org), member in self.of.items():
            await self.marks.mark_read(member, range(1, 13))
            made = [(await self.notifications.create([member], CONTENT))[0] for _ in range(12)]
            await self.notifications.mark_read(member, made[-1])
            await self.keys.once(KeyedRequest(user, member.org_key, f"key-{org}", b"f" * 32), reply)
            claims = Claims(user, None, frozenset(), expires_at=time.time() + 60)
            await TicketStore(self.database, 60).add(user.encode(), b"token", claims)
        await self.keys.once(KeyedRequest("ada", None, "key", b"f" * 32), reply)

    async def _place(self, user: str, org: str) -> None:
        await self.members.upsert([NewMember(user, org)])
        self.of[user, org] = (await self.members.find_in_organization(org, [user]))[user]


@pytest.fixture
async def house(database: Database, marks: MarkStore, monkeypatch: pytest.MonkeyPatch) -> House:
    for name, size in (("PER_PAGE", 1), ("MEMBERS_PER_STEP", 1), ("ROWS_PER_STEP", 5), ("LOOKED_AT_PER_STEP", 7)):
        monkeypatch.setattr(erasure, name, size)
    monkeypatch.setattr(erasure, "CACHE_SECONDS", 0.0)
    monkeypatch.setattr(erasure, "EVENTS_PER_STEP", 7)
    monkeypatch.setattr(pace, "REST", 0.0)
    made = House(database, marks)
    await made.fill()
    return made


async def rows(connection: Connection) -> Counter[str]:
    return Counter({table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES})


async def whole(connection: Connection) -> bool:
    return await audit(connection) == [] and await connection.fetch(NOTIFICATION_AUDIT) == []


async def test_everything_of_a_user_goes_in_every_organisation(
    connection: Connection, database: Database, house: House
) -> None:
    expected = Counter(
        member=1, read_mark=24, read_cursor=2, notification=24, notification_cursor=2, idempotency_key=3, watch_ticket=1
    )
    before = await rows(connection)
    assert +await ErasureStore(database, dry_run=True).user("ada") == expected
    assert await rows(connection) == before

    assert +await ErasureStore(database).user("ada") == expected
    assert +await ErasureStore(database).user("ada") == Counter()
    # The row without a name stays until no server remembers its key.
    assert before - await rows(connection) == expected - Counter(member=1)
    assert await connection.fetchval("SELECT count(*) FROM member WHERE user_id = 'ada'") == 0
    await connection.execute("UPDATE member SET removed_at = removed_at - interval '3 minutes'")
    await house.members.sweep()
    assert before - await rows(connection) == expected
    assert await whole(connection)


async def test_what_a_removed_user_has_left_goes_too(connection: Connection, database: Database, house: House) -> None:
    await house.members.remove(["ada"])
    await house.members.upsert([NewMember("ada", "acme")])
    found = await ErasureStore(database).user("ada")
    assert (found["member"], found["read_mark"]) == (2, 24)


async def test_what_a_call_writes_meanwhile_goes_with_the_sweep(
    connection: Connection, database: Database, house: House
) -> None:
    ada = house.of["ada", "acme"]
    await ErasureStore(database).user("ada")
    assert (await house.marks.mark_read(ada, [1, 2])).changed == 2  # a server remembers the key
    await house.notifications.create([ada], CONTENT)
    await house.members.sweep()
    assert await connection.fetchval("SELECT count(*) FROM read_mark WHERE member_key = $1", ada.member_key) == 0
    assert await connection.fetchval("SELECT count(*) FROM notification WHERE member_key = $1", ada.member_key) == 0


async def test_a_mark_that_holds_the_cursor_is_waited_for(
    connection: Connection, database: Database, house: House
) -> None:
    ada = house.of["ada", "acme"]
    async with connection.transaction():
        await connection.execute("SELECT FROM read_cursor WHERE member_key = $1 FOR UPDATE", ada.member_key)
        erasing = asyncio.create_task(ErasureStore(database).user_in("ada", "acme"))
        await one_waits_for_a_lock(database)
        await connection.execute("INSERT INTO read_mark VALUES ($1, now(), $2, 15)", ada.member_key, ada.org_key)
        await connection.execute("UPDATE read_cursor SET read_count = read_count + 1 WHERE member_key = $1 "
                                 "AND org_key = $2", ada.member_key, ada.org_key)  # fmt: skip
    assert (await erasing)["read_mark"] == 13
    assert await whole(connection)


async def test_a_user_is_erased_in_one_organisation_and_stays_in_another(
    connection: Connection, database: Database, house: House
) -> None:
    expected = Counter(read_mark=12, read_cursor=1, notification=12, notification_cursor=1, idempotency_key=1)
    assert +await ErasureStore(database, dry_run=True).user_in("ada", "acme") == expected
    assert +await ErasureStore(database).user_in("ada", "acme") == expected
    assert +await ErasureStore(database).user_in("ada", "acme") == Counter()
    found = await house.members.find("ada")
    assert found is not None
    assert found.org_key is None
    assert (await InboxStore(database).unread_count(house.of["ada", "globex"])).unread == 8
    # Nothing is left now, so nobody is.
    assert await ErasureStore(database).user_in("ada", "globex") == expected + Counter(member=1, watch_ticket=1)
    assert await house.members.find("ada") is None
    assert await whole(connection)


async def test_tickets_go_whose_tokens_named_the_organisation(
    connection: Connection, database: Database, house: House
) -> None:
    for user in "ada", "dora":
        claims = Claims(user, "acme", frozenset(), expires_at=time.time() + 60)
        await TicketStore(database, 60).add(f"acme {user}".encode(), b"token", claims)
    assert (await ErasureStore(database).user_in("ada", "acme"))["watch_ticket"] == 1
    await connection.execute("UPDATE member SET org_key = NULL")
    assert (await ErasureStore(database).organization("acme", members_from_claims=True))["watch_ticket"] == 1
    left = await connection.fetchval("SELECT array_agg(user_id ORDER BY user_id) FROM watch_ticket")
    assert left == ["ada", "bob", "grace"]


async def test_an_unknown_user_or_organisation_has_nothing(database: Database, house: House) -> None:
    store = ErasureStore(database)
    assert +await store.user("nobody") == Counter()
    assert +await store.user_in("ada", "nowhere") == Counter()
    assert +await store.user_in("bob", "acme") == Counter()
    assert +await store.organization("nowhere", members_from_claims=False) == Counter()


async def test_events_and_others_notifications_name_the_user_no_more(
    connection: Connection, database: Database, house: House
) -> None:
    await house.events.record(
        "globex",
        [
            NewSystemEvent(100, "bucket.created", "", PAYLOAD, None, actor_id="ada", subject_id="ada"),
            NewSystemEvent(101, "user.created", "", PAYLOAD, None, actor_id="bob", subject_id="ada"),
        ],
    )
    bob = house.of["bob", "globex"]
    for sender, resource in (SENDER, None), (AGENT, ENTITY), (AGENT, None):
        await house.notifications.create([bob], CONTENT._replace(sender=sender, resource=resource))
    unnamed = {"system_event unnamed": 2, "notification unnamed": 2}
    for dry_run in True, False:
        found = await ErasureStore(database, dry_run=dry_run).user("ada")
        assert {name: found[name] for name in unnamed} == unnamed
    events = (await InboxStore(database).page(bob, EventQuery(limit=2))).events
    assert [(e.actor_id, e.subject_id, "Ada" in (e.payload or "")) for e in events] == [
        ("bob", None, True),  # Bob is the actor whom the payload names
        (None, "ada", False),  # a bucket that is called so
    ]
    left = await connection.fetch("SELECT sender ->> 'type' AS s, resource FROM notification ORDER BY seq DESC LIMIT 3")
    assert [tuple(row) for row in left] == [("agent", None), ("agent", None), (None, None)]


async def test_an_organisation_goes_with_its_members(connection: Connection, database: Database, house: House) -> None:
    expected = Counter(
        organization=1, member=2, system_event=20, read_mark=24, read_cursor=2, notification=24,
        notification_cursor=2, idempotency_key=2, watch_ticket=2,
    )  # fmt: skip
    before = await rows(connection)
    assert +await ErasureStore(database, dry_run=True).organization("acme", members_from_claims=False) == expected
    assert await rows(connection) == before

    assert +await ErasureStore(database).organization("acme", members_from_claims=False) == expected
    assert +await ErasureStore(database).organization("acme", members_from_claims=False) == Counter()
    assert before - await rows(connection) == expected - Counter(member=2)
    assert await connection.fetchval("SELECT array_agg(user_id) FROM member WHERE user_id <> ''") == ["bob"]
    assert (await InboxStore(database).unread_count(house.of["bob", "globex"])).unread == 8
    assert await whole(connection)


async def test_with_members_from_claims_those_go_who_have_nothing_elsewhere(
    connection: Connection, database: Database, house: House
) -> None:
    await connection.execute("UPDATE member SET org_key = NULL")
    for dry_run in True, False:
        found = await ErasureStore(database, dry_run=dry_run).organization("acme", members_from_claims=True)
        assert found["read_mark"] == 24
    users = await connection.fetchval("SELECT array_agg(user_id ORDER BY user_id) FROM member WHERE user_id <> ''")
    assert users == ["ada", "bob"]


async def test_who_still_holds_the_key_of_an_erased_organisation_finds_it_empty(
    connection: Connection, database: Database, house: House
) -> None:
    grace = house.of["grace", "acme"]
    await ErasureStore(database).organization("acme", members_from_claims=True)
    inbox = InboxStore(database)
    assert (await inbox.unread_count(grace)).unread == 0
    assert (await inbox.page(grace, EventQuery(limit=5))).events == []
    assert (await house.marks.mark_read(grace, [1])).matched == 0
    assert (await inbox.mark_all_read(grace, 10)).changed == 0
    await house.notifications.create([grace], CONTENT)
    with pytest.raises(NoOrganization):
        await house.members.org_id(grace.org_key)

    swept = await ErasureStore(database).sweep()
    assert (swept["read_cursor"], swept["notification"]) == (1, 1)
    assert +await ErasureStore(database).sweep() == Counter()


async def test_a_producer_records_for_another_organisation_with_the_same_name(
    connection: Connection, database: Database, house: House
) -> None:
    await ErasureStore(database).organization("acme", members_from_claims=False)
    # It remembers the key of the one that was erased.
    recorded = await asyncio.gather(
        *(house.events.record("acme", [NewSystemEvent(None, "t", "", None, None)]) for _ in range(5))
    )
    assert sorted(recorded) == [[1], [2], [3], [4], [5]]
    assert await connection.fetchval("SELECT count(DISTINCT org_key) FROM system_event") == 2
    assert await whole(connection)


async def test_nothing_is_lost_of_what_is_recorded_while_an_organisation_is_erased(
    connection: Connection, database: Database, house: House
) -> None:
    erased_key = house.of["ada", "acme"].org_key
    told: list[int] = []

    async def record() -> None:
        while not erasing.done():
            await house.events.record("acme", [NewSystemEvent(None, "t", "", None, None)])
        told.extend(await house.events.record("acme", [NewSystemEvent(None, "last", "", None, None)]))

    erasing = asyncio.create_task(ErasureStore(database).organization("acme", members_from_claims=False))
    await asyncio.gather(erasing, *(record() for _ in range(4)))
    assert await connection.fetchval("SELECT count(*) FROM system_event WHERE org_key = $1", erased_key) == 0
    assert await connection.fetchval("SELECT count(*) FROM system_event WHERE type = 'last'") == len(told) == 4
    assert await whole(connection)
