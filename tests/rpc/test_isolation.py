"""Two organisations and five users: nobody's call reads or changes what is another's."""

from collections.abc import Awaitable, Callable
from itertools import product
from typing import Any

import asyncpg
import grpc
import pytest

from readstate.client import ReadState
from readstate.model import MarkResult
from readstate.server.app import RunningServer
from readstate.v1.system_events_pb2 import MarkReadRequest, MarkReadResponse
from tests.conftest import ClientFor
from tests.rpc.wire import Wire

ACME, GLOBEX = range(1, 51), range(51, 101)
SEES = {"ada": ACME, "grace": ACME, "bob": GLOBEX, "dan": GLOBEX, "carol": range(0)}
EVERY_ID = range(1, 201)
"""Both organisations' events and as many ids that name nothing."""

Call = Callable[[ReadState], Awaitable[object]]


@pytest.fixture
async def users(producer: ReadState, demo_data: None, client_for: ClientFor) -> dict[str, ReadState]:
    """Clients of all five; each but carol has read every third event that they see."""
    await producer.upsert_members({"dan": "globex"})
    users = {name: client_for(name) for name in SEES}
    for name, client in users.items():
        if SEES[name]:
            await client.mark_read(SEES[name][::3])
    return users


async def marks(database_url: str) -> dict[str, set[tuple[int, object]]]:
    """Which events each user has read, and when."""
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch(
        "SELECT user_id, event_id, read_at FROM read_mark JOIN member USING (member_key)"
        "  JOIN system_event e ON (e.org_key, e.seq) = (read_mark.org_key, read_mark.seq)"
    )
    await connection.close()
    found: dict[str, set[tuple[int, object]]] = {name: set() for name in SEES}
    for user, event_id, read_at in rows:
        found[user].add((event_id, read_at))
    return found


async def test_no_call_changes_what_is_another_users(users: dict[str, ReadState], database_url: str) -> None:
    for name, client in users.items():
        others = {other: read for other, read in (await marks(database_url)).items() if other != name}
        for call in client.mark_unread, client.mark_read, client.mark_unread:
            if SEES[name] or call == client.mark_unread:
                assert (await call(EVERY_ID)).matched == len(SEES[name])
            found = await marks(database_url)
            own = {event_id for event_id, _ in found.pop(name)}
            assert found == others
            assert own == (set(SEES[name]) if call == client.mark_read else set())


async def test_nobody_can_tell_a_foreign_event_from_one_that_does_not_exist(
    users: dict[str, ReadState], channel: grpc.aio.Channel, wire: Wire
) -> None:
    for name, foreign in ("ada", 51), ("bob", 1), ("dan", 50):
        for method, with_state in product(("MarkRead", "MarkUnread"), (False, True)):
            answers = set()
            for event_id in foreign, 10_000, 2**63 - 1:
                multi: Any = channel.unary_unary(f"/readstate.v1.SystemEventService/{method}")
                metadata = (*wire.bearer(name), ("x-request-id", "the-same"))
                request = MarkReadRequest(event_ids=[event_id], with_state=with_state)
                call = multi(request.SerializeToString(), metadata=metadata)
                reply = await call
                answers.add((reply, str(await call.initial_metadata()), str(await call.trailing_metadata())))
            ((reply, _, _),) = answers
            # The version is the caller's own: it tells of marks that the caller has made.
            shown = MarkReadResponse.FromString(reply)
            assert (shown.changed_count, shown.matched_count) == (0, 0)


async def test_what_is_read_back_is_ones_own(
    users: dict[str, ReadState], client_for: ClientFor, producer: ReadState
) -> None:
    for name, client in users.items():
        if not SEES[name]:
            continue
        events = [event async for event in client.system_events()]
        assert [event.event_id for event in events] == [*reversed(SEES[name])]
        assert {event.event_id for event in events if event.read} == set(SEES[name][::3])
        assert (await client.unread_count()).unread == 33
    # What acme does changes nothing in globex, and what ada does nothing of grace's.
    before = [await users[name].unread_count() for name in ("grace", "bob", "dan")]
    marked = await users["ada"].mark_all_read(50)
    assert marked.undo_token
    await users["ada"].undo_mark_all_read(marked.undo_token)
    assert [await users[name].unread_count() for name in ("grace", "bob", "dan")] == before
    for name, readers in ("ada", {"ada", "grace"}), ("bob", {"bob", "dan"}):
        auditor = client_for(name, scope="system_events:audit")
        found = {reader.user_id async for reader in auditor.readers(SEES[name][0])}
        assert found == readers


async def test_the_same_id_names_another_event_in_another_organisation(
    users: dict[str, ReadState], producer: ReadState
) -> None:
    await producer.record_system_events("globex", [{"event_id": 1, "type": "t"}])
    assert await users["bob"].mark_read([1]) == MarkResult(changed=1, matched=1)
    assert await users["ada"].mark_unread([1]) == MarkResult(changed=1, matched=1)
    assert await users["bob"].mark_unread([1]) == MarkResult(changed=1, matched=1)


async def test_who_moves_leaves_their_marks_and_finds_none_of_others(
    users: dict[str, ReadState], producer: ReadState
) -> None:
    await producer.upsert_members({"ada": "globex"})
    assert await users["ada"].mark_unread(EVERY_ID) == MarkResult(changed=0, matched=50)
    assert await users["ada"].mark_read([52]) == MarkResult(changed=1, matched=1)
    assert await users["bob"].mark_unread(EVERY_ID) == MarkResult(changed=17, matched=50)


async def test_removing_one_user_leaves_the_others_their_marks(
    users: dict[str, ReadState], producer: ReadState, database_url: str, server: RunningServer
) -> None:
    before = await marks(database_url)
    await producer.remove_members(["ada", "bob"])
    await producer.upsert_members({"ada": "acme", "bob": "globex"})
    after = await marks(database_url)
    for name in "grace", "dan":
        assert after[name] == before[name]
        assert (await users[name].mark_unread(EVERY_ID)).changed == 17
    for name in "ada", "bob":
        assert (await users[name].mark_unread(EVERY_ID)).changed == 0


async def test_the_name_of_a_user_is_compared_as_it_is(producer: ReadState, client_for: ClientFor) -> None:
    names = ["zoë", "zoe\u0308", "Zoë", " zoë", "zoë ", "zoe", "z%", "z_e", "'; --", '"', "\\"]
    await producer.record_system_events("acme", [{"event_id": 1, "type": "t"}])
    await producer.upsert_members(dict.fromkeys(names, "acme"))
    for name in names:
        assert await client_for(name).mark_read([1]) == MarkResult(changed=1, matched=1)
    assert await producer.remove_members(names[:1]) == 1
    assert await client_for(names[1]).mark_read([1]) == MarkResult(changed=0, matched=1)


async def test_the_name_of_an_organisation_is_compared_as_it_is(producer: ReadState, client_for: ClientFor) -> None:
    for i, org_id in enumerate(["acme", "ACME", "acme ", "%", "_cme"], start=1):
        await producer.record_system_events(org_id, [{"event_id": i, "type": "t"}])
        await producer.upsert_members({f"user-{i}": org_id})
        assert await client_for(f"user-{i}").mark_read(range(1, 10)) == MarkResult(changed=1, matched=1)
