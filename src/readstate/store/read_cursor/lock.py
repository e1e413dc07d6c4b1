"""Working under a member's cursor."""

from readstate.model import OrgMember
from readstate.store.failures import SerializationConflict
from readstate.store.pool import Connection, Row
from readstate.store.read_cursor.sql import LOCK_CURSOR, MAKE_CURSORS, SETTLE


async def lock(connection: Connection, member: OrgMember) -> None:
    """Lock the member's cursor until the transaction ends. One that is missing is made.

    There is none afterwards before the upgrade to cursors has begun, and where the cursor was deleted meanwhile, as
    happens to a member who is being removed.
    """
    if not await connection.rows(LOCK_CURSOR, member.org_key, member.member_key):
        await connection.rows(MAKE_CURSORS, [member.org_key], [member.member_key])
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
            await connection.rows(SETTLE, member.org_key, member.member_key)
        raise SerializationConflict


async def settle(connection: Connection, member: OrgMember) -> None:
    """Take into the member's cursor what has been pruned since it last changed."""
    async with connection.transaction():
        await lock(connection, member)
        await connection.rows(SETTLE, member.org_key, member.member_key)
