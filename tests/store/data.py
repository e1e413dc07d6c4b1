"""Much data, quickly."""

from typing import TypeAlias

import asyncpg

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

EVENTS = """
WITH o AS (INSERT INTO organization (org_id) SELECT 'org' || i FROM generate_series(1, 2) i RETURNING org_key),
     s AS (INSERT INTO event_stream (org_key, last_seq, last_event_id) SELECT org_key, $1::int, $1::int FROM o)
INSERT INTO system_event (org_key, seq, event_id, type, title, occurred_at)
SELECT org_key, i, i, 'bulk', '', now() FROM o, generate_series(1, $1::int) i
"""
MEMBERS = "INSERT INTO member (user_id, org_key) SELECT 'user' || i, 1 FROM generate_series(1, $1::int) i"
MARKS = """
INSERT INTO read_mark (member_key, org_key, seq)
SELECT m, 1, i FROM generate_series(1, $1::int) m, generate_series(1, $2::int) i
"""


async def load(connection: Connection, *, events: int, members: int = 0, marks_each: int = 0) -> None:
    """Organisations 1 and 2 with so many events each; members of organisation 1 with so many marks each."""
    await connection.execute("SET statement_timeout = 0")  # on a busy machine this takes longer than a call may
    await connection.execute(EVENTS, events)
    await connection.execute(MEMBERS, members)
    if marks_each:
        await connection.execute(MARKS, members, marks_each)


async def marks_of(connection: Connection, member_key: int) -> set[int]:
    rows = await connection.fetch("SELECT seq FROM read_mark WHERE member_key = $1", member_key)
    return {row["seq"] for row in rows}
