"""DirectoryService, where the member table is the authority."""

from typing import Any

import asyncpg
import pytest

from readstate.client import ReadState
from readstate.config import ServerSettings
from readstate.errors import InvalidRequest, MissingScope, NoOrganization, UnknownUser
from readstate.model import MarkResult
from readstate.store import pool
from readstate.store.members import MemberStore
from readstate.v1 import directory_pb2 as pb
from tests.conftest import ClientFor
from tests.rpc.wire import Wire, failure

METHODS = "DirectoryService/UpsertMembers", "DirectoryService/RemoveMembers"


async def test_an_upserted_user_is_known_at_once(producer: ReadState, demo_data: None, client_for: ClientFor) -> None:
    dan = client_for("dan")
    with pytest.raises(UnknownUser):
        await dan.mark_read([1])
    await producer.upsert_members({"dan": "acme"})
    assert await dan.mark_read([1]) == MarkResult(changed=1, matched=1)


async def test_upserting_again_changes_nothing(producer: ReadState, ada: ReadState) -> None:
    await ada.mark_read([1])
    await producer.upsert_members({"ada": "acme"})
    assert await ada.mark_read([1]) == MarkResult(changed=0, matched=1)


async def test_a_user_who_moves_sees_the_other_organisation_at_once(producer: ReadState, ada: ReadState) -> None:
    await ada.mark_read([1])
    await producer.upsert_members({"ada": "globex"})
    assert await ada.mark_read([1, 51]) == MarkResult(changed=1, matched=1)


async def test_an_upsert_without_an_organisation_clears_it(producer: ReadState, ada: ReadState) -> None:
    await ada.mark_read([1])
    await producer.upsert_members({"ada": None})
    with pytest.raises(NoOrganization):
        await ada.mark_read([1])
    assert await ada.mark_unread([1]) == MarkResult(changed=0, matched=0)


async def test_an_organisation_that_nobody_has_named_before_is_made(
    producer: ReadState, client_for: ClientFor, database_url: str
) -> None:
    await producer.upsert_members({"eve": "initech", "dan": "initech"})
    await producer.record_system_events("initech", [{"type": "t"}])
    assert await client_for("eve").mark_read([1]) == MarkResult(changed=1, matched=1)
    assert await tally(database_url, "organization") == 1


async def test_a_removed_user_is_unknown_at_once(producer: ReadState, ada: ReadState) -> None:
    await ada.mark_read([1])
    assert await producer.remove_members(["ada"]) == 1
    for method in ada.mark_read, ada.mark_unread:
        with pytest.raises(UnknownUser):
            await method([1])


async def test_removing_counts_members_and_takes_anybody(producer: ReadState, demo_data: None) -> None:
    assert await producer.remove_members(["ada", "nobody", "ada", "bob"]) == 2
    assert await producer.remove_members(["ada", "nobody"]) == 0


async def test_a_user_who_comes_back_is_a_new_member_who_has_read_nothing(producer: ReadState, ada: ReadState) -> None:
    await ada.mark_read([1, 2])
    await producer.remove_members(["ada"])
    await producer.upsert_members({"ada": "acme"})
    assert await ada.mark_unread([1, 2]) == MarkResult(changed=0, matched=2)
    assert await ada.mark_read([1, 2]) == MarkResult(changed=2, matched=2)


async def test_the_marks_of_a_removed_member_disappear_and_no_others(
    producer: ReadState, ada: ReadState, grace: ReadState, settings: ServerSettings, database_url: str
) -> None:
    await ada.mark_read(range(1, 51))
    await grace.mark_read([1])
    await producer.remove_members(["ada"])
    await producer.upsert_members({"ada": "acme"})
    await ada.mark_read([2])
    async with pool.connect(settings) as database:
        await MemberStore(database).sweep()
        assert await tally(database_url, "read_mark") == 2
        # The row stays for two minutes, for calls that may still hold its key.
        assert await tally(database_url, "member") == 5
        await execute(database_url, "UPDATE member SET removed_at = removed_at - interval '3 minutes'")
        await MemberStore(database).sweep()
    assert await tally(database_url, "member") == 4
    assert await ada.mark_unread([2]) == MarkResult(changed=1, matched=1)


async def test_the_claim_of_a_token_places_nobody(demo_data: None, client_for: ClientFor) -> None:
    assert await client_for("ada", org="globex").mark_read([1, 51]) == MarkResult(changed=1, matched=1)
    with pytest.raises(NoOrganization):
        await client_for("carol", org="acme").mark_read([1])
    with pytest.raises(UnknownUser):
        await client_for("nobody", org="acme").mark_read([1])


REFUSED: list[tuple[str, Any, str]] = [
    (METHODS[0], pb.UpsertMembersRequest(), "members"),
    (METHODS[0], pb.UpsertMembersRequest(members=[{"user_id": str(i)} for i in range(10_001)]), "members"),
    (METHODS[0], pb.UpsertMembersRequest(members=[{"user_id": "a"}, {}]), "members[1].user_id"),
    (METHODS[0], pb.UpsertMembersRequest(members=[{"user_id": "x" * 256}]), "members[0].user_id"),
    (METHODS[0], pb.UpsertMembersRequest(members=[{"user_id": "a\0"}]), "members[0].user_id"),
    (METHODS[0], pb.UpsertMembersRequest(members=[{"user_id": "a", "org_id": ""}]), "members[0].org_id"),
    (METHODS[0], pb.UpsertMembersRequest(members=[{"user_id": "a", "org_id": "\x7f"}]), "members[0].org_id"),
    (METHODS[0], pb.UpsertMembersRequest(members=[{"user_id": "a"}, {"user_id": "a"}]), "members[1].user_id"),
    (METHODS[1], pb.RemoveMembersRequest(), "user_ids"),
    (METHODS[1], pb.RemoveMembersRequest(user_ids=["a"] * 10_001), "user_ids"),
    (METHODS[1], pb.RemoveMembersRequest(user_ids=["a", ""]), "user_ids[1]"),
    (METHODS[1], pb.RemoveMembersRequest(user_ids=["a\t"]), "user_ids[0]"),
]


async def test_what_is_not_valid_is_refused_by_the_path_of_its_field(wire: Wire, subtests: pytest.Subtests) -> None:
    bearer = wire.bearer("producer", scope="directory:write")
    for method, request, field in REFUSED:
        with subtests.test(request=str(request)[:50]):
            found = await failure(wire.call(method, request, bearer))
            assert (found.reason, [field for field, _ in found.violations]) == ("INVALID_FIELD", [field])


async def test_one_bad_member_keeps_all_others_out(
    producer: ReadState, client_for: ClientFor, database_url: str
) -> None:
    with pytest.raises(InvalidRequest):
        await producer.upsert_members({"dan": "acme", "": "acme"})
    assert await tally(database_url, "member") == 0


async def test_ten_thousand_members_come_and_go(producer: ReadState) -> None:
    members = {f"user-{i}": f"org-{i % 100}" for i in range(10_000)}
    await producer.upsert_members(members)
    assert await producer.remove_members(members) == 10_000


async def test_it_needs_its_scope_and_no_membership(ada: ReadState, client_for: ClientFor) -> None:
    for other in ada, client_for("x", scope="system_events:write directory"):
        with pytest.raises(MissingScope, match="directory:write"):
            await other.upsert_members({"ada": "globex"})
        with pytest.raises(MissingScope, match="directory:write"):
            await other.remove_members(["ada"])
    assert await ada.mark_read([1]) == MarkResult(changed=1, matched=1)


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


async def tally(url: str, table: str) -> int:
    connection = await asyncpg.connect(url)
    rows = await connection.fetchval(f"SELECT count(*) FROM {table}")
    await connection.close()
    return int(rows)
