"""Each statement runs on one shard, and a new connection breaks no batch."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
import pytest

from readstate.client import ReadState
from readstate.config import ServerSettings
from readstate.errors import StartupError
from readstate.model import OrgMember, Retention
from readstate.server import app
from readstate.server.app import RunningServer
from readstate.store import pool
from readstate.store.citus import distribute
from readstate.store.erasure.store import ErasureStore
from readstate.store.idempotency import IdempotencyStore
from readstate.store.marks.store import MarkStore
from readstate.store.members import MemberStore
from readstate.store.organizations import org_keys
from readstate.store.pool import Connection
from readstate.store.read_cursor.tidy import CursorTidier
from readstate.store.retention.store import RetentionStore
from readstate.store.slow import name_of
from readstate.telemetry.metrics import Metrics
from tests.conftest import ClientFor

ON_EVERY_NODE: Final = {"UPSERT_MEMBERS"}
"""Writes a table that every node has."""
SEARCHES: Final = {
    "FIND_EXPIRED_ORGANIZATIONS",
    "FIND_ENDED",
    "FIND_ALL_STREAMS",
    "FIND_NOTIFIED",
    "FIND_ALL_KEY_ORGANIZATIONS",
    "FIND_ORGANIZATIONS",
    "ORGANIZATIONS_OF",
    "FIND_READERS_ELSEWHERE",
    "FIND_NOTIFIED_ELSEWHERE",
}
"""Reads of the sweeps, which find organisations, and lock nothing."""

SCOPES: Final = "messaging:read messaging:update messaging:write system_events:audit"

Sent = dict[str, tuple[object, ...]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """Each statement that has been sent, with what it was first sent with."""
    statements: Sent = {}
    rows = Connection.rows

    async def noted(self: Connection, statement: str, *args: object) -> Any:
        statements.setdefault(statement, args)
        return await rows(self, statement, *args)

    monkeypatch.setattr(Connection, "rows", noted)
    return statements


async def of_several_shards(database_url: str, sent: Sent) -> set[str]:
    """The names of the statements that are not one task."""
    connection = await asyncpg.connect(database_url)
    names = set()
    try:
        for statement, args in list(sent.items()):
            plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {statement}", *args))
            # A statement on what the coordinator has by itself knows nothing of Citus.
            one = plan.count("Task Count: 1\n") + plan.endswith("Task Count: 1") == plan.count("Citus Adaptive")
            if not one or "Subplan" in plan or "INSERT/SELECT method" in plan:
                names.add(name_of(statement))
    finally:
        await connection.close()
    return names


@pytest.fixture
async def noted_server(sent: Sent, settings: ServerSettings) -> AsyncIterator[RunningServer]:
    async with app.running_server(settings) as running:
        yield running


@pytest.fixture
async def server(noted_server: RunningServer) -> RunningServer:
    return noted_server


async def test_every_call_runs_on_one_shard(
    demo_data: None, producer: ReadState, client_for: ClientFor, sent: Sent, database_url: str
) -> None:
    ada = client_for("ada", org="acme", scope=SCOPES)
    await call_everything(ada, producer)
    assert len(sent) > 40
    assert await of_several_shards(database_url, sent) - SEARCHES == ON_EVERY_NODE


async def call_everything(ada: ReadState, producer: ReadState) -> None:
    """Each method, and what it does differently for different calls."""
    await asyncio.gather(*(ada.mark_read([event]) for event in range(1, 6)))
    assert (await ada.mark_read([6, 7, 8, 51])).changed == 3
    assert (await ada.mark_unread([1, 2])).changed == 2
    assert (await ada.unread_count()).unread == 44
    events = [event async for event in ada.system_events()]
    assert len(events) == 50
    assert len([event async for event in ada.system_events(unread_only=True)]) == 44
    assert [event async for event in ada.system_events(types=["demo"], unread_only=True)]
    marked = await ada.mark_all_read(30)
    assert marked.undo_token is not None
    await ada.undo_mark_all_read(marked.undo_token)
    assert [reader.user_id async for reader in ada.readers(3)] == ["ada"]
    await producer.record_system_events("acme", [{"type": "one"}], idempotency_key="a")
    await producer.record_system_events("acme", [{"type": "one"}], idempotency_key="a")
    await ada.create_notifications("acme", ["ada", "grace"], category="news", title="One", idempotency_key="b")
    (first, *_) = [each.id async for each in ada.notifications()]
    await ada.notification(first)
    await ada.mark_notification_seen(first, idempotency_key="c")
    await ada.mark_notification_read(first)
    await ada.dismiss_notification(first)
    await ada.mark_all_notifications_seen()
    await ada.mark_all_notifications_read()
    await ada.unread_summary()
    async for state in ada.watch_unread():
        assert state.events.unread
        break
    await producer.upsert_members({"ada": "globex", "new": "acme"})
    await producer.remove_members(["new"])


async def test_the_sweeps_search_all_shards_and_write_on_one(
    demo_data: None, ada: ReadState, settings: ServerSettings, sent: Sent, database_url: str
) -> None:
    await ada.mark_read(list(range(1, 20)))
    async with pool.connect(settings) as database:
        await RetentionStore(database).prune(
            Retention(timedelta(0), timedelta(0), True), now=datetime.now(UTC) + timedelta(hours=1)
        )
        await CursorTidier(database).sweep()
        await IdempotencyStore(database).sweep()
        erasure = ErasureStore(database)
        await erasure.user_in("grace", "acme")
        await erasure.user("ada")
        await MemberStore(database).sweep()
        assert (await erasure.organization("globex", members_from_claims=False))["organization"] == 1
        await erasure.sweep()
    assert await of_several_shards(database_url, sent) - SEARCHES - ON_EVERY_NODE == set()


async def test_new_connections_break_no_batch(settings: ServerSettings) -> None:
    async with pool.connect(settings) as database:
        keys = await database.run(lambda c: org_keys(c, [f"org{n}" for n in range(40)]), repeatable=True)
    async with pool.connect(settings) as database:  # with connections that have run nothing
        marks = MarkStore(database, Metrics())
        calls = (marks.mark_read(OrgMember(1, org_key), [1]) for org_key in keys.values())
        results = await asyncio.gather(*calls)
        await marks.drain()
    assert [result.matched for result in results] == [0] * 40


async def test_a_server_with_mixed_batches_is_refused(settings: ServerSettings) -> None:
    with pytest.raises(StartupError, match="READSTATE_BATCH"):
        async with app.running_server(settings.model_copy(update={"batch": "mixed"})):
            pass


async def test_what_is_spread_is_not_spread_again(database_url: str) -> None:
    assert await distribute(database_url) == []
