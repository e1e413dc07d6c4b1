"""The marks of a call are locked in one order, whatever plan PostgreSQL chooses: two calls can then not deadlock."""

import asyncio
from typing import Any

import asyncpg
import pytest

from readstate.store.marks import sql
from tests.store import data
from tests.store.data import Connection
from tests.waiting import until_answered

EVENTS = list(range(1, 101))
HELD = 50

UNREADS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "alone": (sql.MARK_UNREAD, (1, 1, EVENTS)),
    "together": (sql.MARK_UNREAD_TOGETHER, ([0] * 100, [1] * 100, [1] * 100, EVENTS)),
}
PLANS = {"of its own choice": (), "in heap order": ("enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan")}


@pytest.mark.parametrize("unread", UNREADS)
@pytest.mark.parametrize("plan", PLANS)
async def test_an_unmark_that_waits_holds_no_mark_after_the_one_it_waits_for(
    connection: Connection, database_url: str, unread: str, plan: str
) -> None:
    await data.load(connection, events=100, members=1)
    # In the heap the marks lie in the opposite order.
    await connection.execute(
        "INSERT INTO read_mark (member_key, org_key, seq) SELECT 1, 1, generate_series(100, 1, -1)"
    )
    unmarking, watching = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
    try:
        for setting in PLANS[plan]:
            await unmarking.execute(f"SET {setting} = off")
        async with connection.transaction():
            await connection.execute("SELECT FROM read_mark WHERE seq = $1 FOR UPDATE", HELD)
            statement, arguments = UNREADS[unread]
            waiting = asyncio.create_task(unmarking.fetch(statement, *arguments))
            pid = unmarking.get_server_pid()
            await until_answered(lambda: watching.fetchval("SELECT cardinality(pg_blocking_pids($1))", pid))
            free = await watching.fetch("SELECT seq FROM read_mark FOR UPDATE SKIP LOCKED")
            assert sorted(row["seq"] for row in free) == list(range(HELD + 1, 101))
        await waiting
    finally:
        unmarking.terminate()
        watching.terminate()
