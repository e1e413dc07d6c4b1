"""How PostgreSQL runs the statements on large tables, whatever it believes about their size."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from readstate.config import DatabaseSettings, load
from readstate.model import OrgMember
from readstate.store import members, pool, recording
from readstate.store.inbox import list_sql
from readstate.store.inbox import sql as inbox
from readstate.store.inbox.count import UNREAD_COUNTS
from readstate.store.marks import organization, sql
from readstate.store.marks.store import MarkStore
from readstate.store.read_cursor.sql import MAKE_CURSORS, SETTLE
from readstate.store.read_cursor.tidy_sql import FIND_UNTIDY, FIND_UNTIDY_OF_ONE, FOLD, UNFOLD
from readstate.store.retention.events import LOOK, PRUNE_EVENTS
from readstate.store.retention.marks import COUNT_MARKS, COUNT_OUT, FIND_BEHIND
from readstate.store.retention.pages import DELETE_PAGES
from readstate.store.retention.store import FIND_STREAM, FIND_STREAMS
from readstate.store.unread import FIND_CHANGED_OF_ONE
from readstate.telemetry.metrics import Metrics
from tests.store import data
from tests.store.data import Connection

LARGE = ("system_event", "read_mark", "read_cursor", "member")

NOW = datetime.now(UTC)
KEPT_PLANS = "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement = $1"

LIST = (1, 7, 51, 100)
FILTER = (["bulk"], None, None, None, None, None, True)

CURSORS = """
INSERT INTO read_cursor (org_key, member_key, version, read_count, pruned_seq, all_read)
SELECT 1, m, 1, CASE WHEN m <= 2000 THEN 100 ELSE 0 END, 0, '{}' FROM generate_series(1, 20000) m
"""

STATEMENTS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "mark read together": (sql.MARK_READ_TOGETHER, ([0] * 200, [1] * 200, [7] * 200, list(range(1, 201)))),
    "mark unread together": (sql.MARK_UNREAD_TOGETHER, ([0] * 200, [1] * 200, [7] * 200, list(range(1, 201)))),
    "mark read, one call": (sql.MARK_READ_UNLESS_BUSY, (1, 7, list(range(1, 200)))),
    "mark read alone": (sql.MARK_READ, (1, 7, list(range(1, 200)))),
    "make cursors": (MAKE_CURSORS.together, ([1] * 100, list(range(30_000, 30_100)))),
    "settle": (SETTLE, (1, list(range(5, 105)), 5_000)),
    "count out": (COUNT_OUT, (1, list(range(5, 105)), 5_000)),
    "delete pages": (DELETE_PAGES, ((0, 0), (64, 0), 50)),
    "find who is behind": (FIND_BEHIND, (1, 5_000, 1_000)),
    "count marks": (COUNT_MARKS, (1, 5_000, 100, 50)),
    "fold": (FOLD, (1, 7, 0, 1_000, 1_000)),
    "unfold": (UNFOLD, (1, 7, 0, 1_000)),
    "find untidy cursors": (FIND_UNTIDY, (1, 5_000, 1_000)),
    "count unread": (UNREAD_COUNTS.together, ([1] * 100, list(range(1, 101)))),
    "mark all read": (inbox.MARK_ALL_READ, (1, 7, 50, 65_536)),
    "undo": (inbox.UNDO_MARK_ALL, (1, 7, "{[1,20),[30,40)}")),
    "readers": (inbox.READERS, (1, 50, 0, 1_000, 51, False)),
    "list": (list_sql.LIST, (*LIST, 90_000)),
    "list unread": (list_sql.LIST_UNREAD, (*LIST, 90_000, 256)),
    "list with a filter": (list_sql.FILTER_TYPES, (*LIST, *FILTER[:-1], False, 90_000)),
    "list unread with a filter": (list_sql.FILTER_TYPES_UNREAD, (*LIST, *FILTER[:-1], False, 90_000, 256)),
    "prune": (PRUNE_EVENTS, (1, NOW, 2_000)),
    "look for what is old": (LOOK, (1, NOW, 2_000, 500)),
    "find streams": (FIND_STREAMS, (0, 1_000, NOW)),
    "find member": (members.FIND_MEMBER, ("user7",)),
    "delete marks of removed": (sql.DELETE_MARKS_OF_REMOVED, (7, 5000)),
    "find positions": (organization.FIND_POSITIONS, (1, list(range(1, 201)))),
    "lock free cursors": (organization.LOCK_FREE, (1, list(range(1, 101)), [asyncpg.Range(7, 8)])),
    "insert marks": (organization.INSERT_MARKS, (1, list(range(1, 101)), list(range(101, 201)))),
    "insert a mark": (organization.INSERT_MARK, (1, 7, 300)),
    "count marks made": (organization.COUNT_MARKS, (1, list(range(1, 101)), [1] * 100)),
    "mark unread in one organisation": (organization.MARK_UNREAD, (1, [0] * 200, [7] * 200, list(range(1, 201)))),
    "make cursors in one organisation": (MAKE_CURSORS.each, (1, list(range(30_000, 30_100)))),
    "count unread in one organisation": (UNREAD_COUNTS.each, (1, list(range(1, 101)))),
    "find changed in one organisation": (
        FIND_CHANGED_OF_ONE,
        (1, 100_000, 0, list(range(100)), list(range(1, 101)), [1] * 100, [0] * 100),
    ),
    "find untidy cursors of one organisation": (FIND_UNTIDY_OF_ONE, (1, 5_000, 1_000)),
    "find a stream": (FIND_STREAM, (1, NOW)),
    "insert events": (recording.INSERT_EVENTS, (1, [300_000], ["t"], [""], [None], [None], [None], [None], [None])),
    "record events": (
        recording.RECORD_EVENTS,
        (1, [300_000], ["t"], [""], [None], [None], [None], [None], [None], "org1"),
    ),
}


@pytest.fixture(params=["analyzed", "not analyzed"])
async def large(request: pytest.FixtureRequest, connection: Connection) -> Connection:
    for table in LARGE:
        await connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    await data.load(connection, events=100_000, members=20_000)
    await connection.execute(data.MARKS, 2_000, 100)
    await connection.execute(CURSORS)
    if request.param == "analyzed":
        await connection.execute("ANALYZE")
    return connection


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_no_statement_reads_a_large_table_from_end_to_end(large: Connection, mode: str) -> None:
    await large.execute(f"SET plan_cache_mode = {mode}")
    for name, (statement, arguments) in STATEMENTS.items():
        transaction = large.transaction()
        await transaction.start()
        plan = json.loads(await large.fetchval(f"EXPLAIN (FORMAT JSON, ANALYZE, TIMING OFF) {statement}", *arguments))
        await transaction.rollback()
        scans = {node["Relation Name"] for node in _nodes(plan[0]["Plan"]) if node["Node Type"] == "Seq Scan"}
        assert not scans & set(LARGE), (name, scans)


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", []) for node in _nodes(child))]


@pytest.mark.alone
async def test_ten_thousand_ids_take_less_than_a_second(large: Connection, marks: MarkStore) -> None:
    member = OrgMember(19_000, 1)
    for act in (marks.mark_read, marks.mark_unread):
        started = time.perf_counter()
        result = await act(member, range(1, 10_001))
        assert time.perf_counter() - started < 1
        assert (result.changed, result.matched) == (10_000, 10_000)


async def test_a_call_for_one_event_is_not_planned_anew(connection: Connection, database_url: str) -> None:
    await data.load(connection, events=100_000, members=1)
    await connection.execute("ANALYZE")
    async with pool.connect(load(DatabaseSettings, database_url=database_url, pool_size=1)) as database:
        store = MarkStore(database, Metrics())
        for event_id in range(1, 21):
            await store.mark_read(OrgMember(1, 1), [event_id])
        plans = await database.rows(KEPT_PLANS, sql.MARK_READ_UNLESS_BUSY, repeatable=True)
    assert [row["generic_plans"] > row["custom_plans"] for row in plans] == [True]
