"""Working under a member's cursor."""

from collections.abc import Sequence
from typing import Final

from readstate.model import OrgMember
from readstate.store.failures import SerializationConflict
from readstate.store.pool import Connection, Row
from readstate.store.read_cursor.sql import LOCK_CURSOR, LOCK_FREE_CURSORS, MAKE_CURSORS, SETTLE

ROWS_PER_STEP: Final = 1_000
"""Rows that one statement of settling deletes. With 5,000 one took 0.6 s: a member's marks lie in as many pages."""


async def lock(connection: Connection, member: OrgMember) -> None:
    """Lock the member's cursor until the transaction ends. One that is missing is made.

    There is none afterwards before the upgrade to cursors has begun, and where the cursor was deleted meanwhile, as
    happens to a member who is being removed.
    """
    if not await connection.rows(LOCK_CURSOR, member.org_key, member.member_key):
        await connection.rows_of(MAKE_CURSORS, [member.org_key], [member.member_key])
        await connection.rows(LOCK_CURSOR, member.org_key, member.member_key)


async def under_lock(connection: Connection, member: OrgMember, statement: str, *args: object) -> Row:
    """Lock the member's cursor, run the statement in the same transaction, and return its row.

    The statement returns no row where the cursor is behind. Then the cursor is settled, and the statement runs again.

    Raises:
        SerializationConflict: the cursor was deleted meanwhile.
    """
    async with connection.transaction():
        await lock(connection, member)
        for _ in range(3):  # a stream is not pruned more often than that in between
            if rows := await connection.rows(statement, member.org_key, member.member_key, *args):
                return rows[0]
            while any(row["behind"] for row in await _step(connection, member)):
                pass
        raise SerializationConflict


async def settle(connection: Connection, member: OrgMember) -> int:
    """Take into the member's cursor what has been pruned since it last changed; return how many rows that deleted.

    In steps, each a transaction: in between the cursor keeps every promise, and is still behind its stream.
    """
    rows, behind = 0, True
    while behind:
        async with connection.transaction():
            # None is made: the member may have been removed meanwhile.
            await connection.rows(LOCK_CURSOR, member.org_key, member.member_key)
            settled = await _step(connection, member)
        rows += sum(row["rows"] for row in settled)
        behind = any(row["behind"] for row in settled)
    return rows


async def settle_together(
    connection: Connection, org_key: int, member_keys: Sequence[int], *, statement: str = "", rows: int = 0
) -> list[Row]:
    """One step for each of these members, in one transaction, but for those whose cursor is busy.

    Without a `statement`, which takes at most so many `rows` of each, SETTLE deletes ROWS_PER_STEP.

    Returns a row for each cursor that is settled or has come nearer: `member_key`, `rows`, and whether it is `behind`.
    """
    async with connection.transaction():
        free = [row["member_key"] for row in await connection.rows(LOCK_FREE_CURSORS, org_key, member_keys)]
        return await connection.rows(statement or SETTLE, org_key, free, rows or ROWS_PER_STEP)


async def _step(connection: Connection, member: OrgMember) -> list[Row]:
    return await connection.rows(SETTLE, member.org_key, [member.member_key], ROWS_PER_STEP)
