"""What PostgreSQL reads for watched members: no table more than once, whatever the planner believes of its size."""

import pytest

from readstate.config import DatabaseSettings, load
from readstate.model import OrgMember
from readstate.store import pool
from readstate.store.pool import Database
from readstate.store.unread import Known, Question, UnreadStates
from tests.store.data import Connection

WATCHED = 1_000
TIMES = 10
"""More often than PostgreSQL plans a statement with its arguments."""
CURSORS = ("read_cursor", "notification_cursor")

ORGANIZATIONS = """
WITH o AS (INSERT INTO organization (org_id) SELECT 'org' || i FROM generate_series(1, 100) i RETURNING org_key)
INSERT INTO event_stream (org_key, last_seq, last_event_id) SELECT org_key, 9, 9 FROM o
"""
READ = """
INSERT INTO read_cursor (org_key, member_key, version, read_count, pruned_seq, all_read)
SELECT 1 + k % $1::int, k, 1, 0, 0, '{}' FROM generate_series(1, $2::int) k
"""
NOTIFIED = """
INSERT INTO notification_cursor (org_key, member_key, version, unseen, unread)
SELECT 1 + k % $1::int, k, 1, 1, 1 FROM generate_series(1, $2::int) k
"""
ROWS_READ = "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables WHERE relname = $1"


class Watcher:
    """Asks for members who are watched, on one connection, and says what PostgreSQL has read for it."""

    def __init__(self, database: Database, connection: Connection, organizations: int) -> None:
        self._database, self._connection = database, connection
        self._states = UnreadStates(database)
        self._organizations = organizations
        self._known = [Known(OrgMember(key, 1 + key % organizations)) for key in range(1, WATCHED + 1)]

    async def fill(self, rows: int) -> None:
        await self._connection.execute(READ, self._organizations, rows)
        await self._connection.execute(NOTIFIED, self._organizations, rows)

    async def rows_read(self) -> list[float]:
        """Of each of the two tables, for one question."""
        before = await self._accounts()
        for _ in range(TIMES):
            found = await self._states.changed(Question(self._known))
            self._known = [found.get(known.member, known) for known in self._known]
        return [(b - a) / TIMES for a, b in zip(before, await self._accounts(), strict=True)]

    async def _accounts(self) -> list[int]:
        await self._database.rows("SELECT pg_stat_force_next_flush()", repeatable=True)
        return [await self._connection.fetchval(ROWS_READ, table) for table in CURSORS]


@pytest.fixture(params=[1, 100], ids=["one organisation", "many organisations"])
async def organizations(request: pytest.FixtureRequest, connection: Connection) -> int:
    await connection.execute(ORGANIZATIONS)
    for table in CURSORS:
        await connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    count: int = request.param
    return count


@pytest.mark.parametrize("rows", [0, 64, 200, 5_000])
async def test_a_question_reads_no_table_twice(
    connection: Connection, database_url: str, organizations: int, rows: int
) -> None:
    async with pool.connect(load(DatabaseSettings, database_url=database_url, pool_size=1)) as database:
        watcher = Watcher(database, connection, organizations)
        await watcher.fill(rows)
        await connection.execute("VACUUM ANALYZE")
        assert max(await watcher.rows_read()) <= rows


async def test_a_plan_that_was_made_on_empty_tables_reads_no_table_twice(
    connection: Connection, database_url: str, organizations: int
) -> None:
    await connection.execute("VACUUM ANALYZE")
    async with pool.connect(load(DatabaseSettings, database_url=database_url, pool_size=1)) as database:
        watcher = Watcher(database, connection, organizations)
        assert await watcher.rows_read() == [0, 0]
        await watcher.fill(2_000)
        assert max(await watcher.rows_read()) <= 2_000
