"""What a member finds who is placed in an organisation, and who comes back."""

import pytest

from readstate.errors import Migrating
from readstate.model import NewMember, NewSystemEvent, OrgMember
from readstate.store.events import EventStore
from readstate.store.inbox.store import InboxStore
from readstate.store.marks.store import MarkStore
from readstate.store.members import MemberStore
from readstate.store.pool import Database
from tests.store.data import Connection


@pytest.fixture
async def members(database: Database) -> MemberStore:
    """Acme has three events, globex has one."""
    store, events = MemberStore(database), EventStore(database)
    for org_id, count in ("acme", 3), ("globex", 1):
        await events.record(org_id, [NewSystemEvent(None, "t", "", None, None)] * count)
    return store


async def place(members: MemberStore, org_id: str | None, *, start_read: bool = False) -> None:
    await members.upsert([NewMember("ada", org_id, start_read)])


async def unread(members: MemberStore, database: Database) -> int:
    member = await members.find("ada")
    assert member is not None
    assert member.org_key is not None
    return (await InboxStore(database).unread_count(OrgMember(member.member_key, member.org_key))).unread


async def test_a_member_finds_everything_unread(members: MemberStore, database: Database) -> None:
    await place(members, "acme")
    assert await unread(members, database) == 3


async def test_a_member_who_starts_read_finds_nothing(members: MemberStore, database: Database) -> None:
    await place(members, "acme", start_read=True)
    assert await unread(members, database) == 0
    await EventStore(database).record("acme", [NewSystemEvent(None, "t", "", None, None)])
    assert await unread(members, database) == 1


async def test_a_repeated_upsert_changes_nothing(members: MemberStore, database: Database) -> None:
    await place(members, "acme")
    await place(members, "acme", start_read=True)
    assert await unread(members, database) == 3


@pytest.mark.parametrize("between", ["globex", None])
async def test_who_comes_back_finds_the_state_that_was_left(
    members: MemberStore, database: Database, marks: MarkStore, between: str | None
) -> None:
    await place(members, "acme")
    ada = await members.find("ada")
    assert ada is not None
    await marks.mark_read(OrgMember(ada.member_key, 1), [2])
    await place(members, between)
    await place(members, "acme", start_read=True)
    assert await unread(members, database) == 2


async def test_who_comes_back_having_read_nothing_finds_everything_unread(
    members: MemberStore, database: Database
) -> None:
    await place(members, "acme")
    await place(members, "globex", start_read=True)
    assert await unread(members, database) == 0
    await place(members, "acme", start_read=True)
    assert await unread(members, database) == 3


async def test_a_member_of_a_token_starts_read_once(members: MemberStore, database: Database, marks: MarkStore) -> None:
    member_key, org_key = await members.find_or_make("ada"), await members.org_key("acme")
    ada, inbox = OrgMember(member_key, org_key), InboxStore(database, organization_from_claims=True)
    await members.start_read(ada)
    assert (await inbox.unread_count(ada)).unread == 0
    await marks.mark_unread(ada, [1])
    await members.start_read(ada)
    assert (await inbox.unread_count(ada)).unread == 1
    assert [reader.user_id for reader in (await inbox.readers(org_key, 2, None, 10)).readers] == ["ada"]


async def test_nobody_starts_read_during_the_upgrade(
    members: MemberStore, connection: Connection, database: Database
) -> None:
    await connection.execute("DELETE FROM migration_phase")
    members = MemberStore(database)
    with pytest.raises(Migrating):
        await place(members, "acme", start_read=True)
    assert await members.find("ada") is None
    await place(members, "acme")
    await place(members, "globex")
    assert await connection.fetchval("SELECT count(*) FROM read_cursor") == 0


async def test_readers_are_present_members(members: MemberStore, database: Database, marks: MarkStore) -> None:
    await members.upsert([NewMember(name, "acme") for name in ("ada", "grace", "bob", "carol")])
    found = await members.find_in_organization("acme", ["ada", "grace", "bob", "carol"])
    for member in found.values():
        await marks.mark_read(member, [2])
    await members.remove(["grace"])
    await members.upsert([NewMember("bob", "globex"), NewMember("carol", None)])
    page = await InboxStore(database).readers(found["ada"].org_key, 2, None, 10)
    assert [reader.user_id for reader in page.readers] == ["ada"]


async def test_removal_takes_cursors_and_marks(
    members: MemberStore, connection: Connection, database: Database, marks: MarkStore
) -> None:
    await place(members, "acme")
    found = await members.find_in_organization("acme", ["ada"])
    await marks.mark_read(found["ada"], [1, 2])
    await InboxStore(database).mark_all_read(found["ada"], 1)
    await members.remove(["ada"])
    # A call that still holds the member from a cache.
    assert (await marks.mark_read(found["ada"], [3])).changed == 1
    await members.sweep()
    for table in "read_cursor", "read_mark":
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0
    assert (await marks.mark_read(found["ada"], [3], with_state=True)).changed == 1
    await connection.execute("UPDATE member SET removed_at = removed_at - interval '3 minutes'")
    await members.sweep()
    for table in "read_cursor", "read_mark", "member":
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0
