"""Between the two phases of the upgrade to read cursors: marking goes on, and reading back is refused by name."""

import asyncio
import os
import sys
from typing import Any

import asyncpg
import pytest
from grpc import StatusCode

from readstate.client import ReadState
from readstate.errors import Migrating
from readstate.model import MarkResult
from readstate.v1 import system_events_pb2 as pb
from tests.conftest import ClientFor
from tests.rpc.wire import Wire, failure

AUDIT = "system_events:audit"
REFUSED = {
    "ListSystemEvents": pb.ListSystemEventsRequest(),
    "GetUnreadCount": pb.GetUnreadCountRequest(),
    "MarkAllRead": pb.MarkAllReadRequest(up_to=1),
    # Of the first member in the first organisation.
    "UndoMarkAllRead": pb.UndoMarkAllReadRequest(undo_token="1.1.1.{[1,2)}"),
    "ListReaders": pb.ListReadersRequest(event_id=1),
    "MarkRead": pb.MarkReadRequest(event_ids=[1], with_state=True),
    "MarkUnread": pb.MarkUnreadRequest(event_ids=[1], with_state=True),
}


@pytest.fixture
async def database_url(database_url: str) -> str:
    """A database in which servers of the release before may still be marking."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("DELETE FROM migration_phase")
    await connection.close()
    return database_url


async def finish(database_url: str) -> str:
    """What `readstate migrate --finish` prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "readstate", "migrate", "--finish"),
        env=os.environ | {"READSTATE_DATABASE_URL": database_url},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode()


async def test_reading_back_is_refused_after_all_else_has_been_judged(ada: ReadState, wire: Wire) -> None:
    for method, request in REFUSED.items():
        found = await failure(wire.call(f"SystemEventService/{method}", request, wire.bearer("ada", scope=AUDIT)))
        assert (found.code, found.reason) == (StatusCode.FAILED_PRECONDITION, "MIGRATING"), method
    bad = await failure(wire.call("SystemEventService/MarkAllRead", pb.MarkAllReadRequest(), wire.bearer("ada")))
    assert bad.code == StatusCode.INVALID_ARGUMENT
    missing = await failure(wire.call("SystemEventService/ListReaders", b"", wire.bearer("ada")))
    assert missing.reason == "SCOPE_MISSING"


async def test_marking_goes_on_and_counts_are_exact_once_it_is_finished(
    ada: ReadState, grace: ReadState, producer: ReadState, client_for: ClientFor, database_url: str
) -> None:
    assert await ada.mark_read([1, 2, 3]) == MarkResult(changed=3, matched=3)
    assert await ada.mark_unread([3]) == MarkResult(changed=1, matched=1)
    with pytest.raises(Migrating):
        await ada.mark_read([4], with_state=True)
    with pytest.raises(Migrating):
        await producer.upsert_members({"zoe": "acme"}, start_read=True)
    await producer.upsert_members({"zoe": "acme"})

    assert "read cursors made: 1" in await finish(database_url)

    assert (await ada.unread_count()).unread == 48
    assert [event.event_id for event in (await ada.list_system_events()).events if event.read] == [2, 1]
    for untouched in grace, client_for("zoe"):
        assert (await untouched.unread_count()).unread == 50
    assert "read cursors made: 0" in await finish(database_url)


async def test_counts_of_notifications_go_on(ada: ReadState, client_for: ClientFor, database_url: str) -> None:
    messenger = client_for("messenger", scope="messaging:write")
    reader = client_for("ada", scope="messaging:read messaging:update")
    summaries: list[Any] = []
    for _ in range(2):
        await messenger.create_notifications("acme", ["ada"], category="c", title="t")
        assert await reader.mark_all_notifications_seen() == 1
        summaries.append(await reader.unread_summary())
        await finish(database_url)
    assert [(summary.unseen, summary.unread) for summary in summaries] == [(0, 1), (0, 2)]
    assert await reader.mark_all_notifications_read() == 2
