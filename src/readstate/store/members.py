"""Members: which user belongs to which organisation."""

from collections.abc import Sequence
from typing import Final

from readstate.model import Member, NewMember
from readstate.store import sql
from readstate.store.organizations import org_keys
from readstate.store.pool import Connection, Database

MARKS_PER_BATCH: Final = 5_000
MEMBERS_PER_BATCH: Final = 500


class MemberStore:
    """The member table. Raises as `Database.run`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, user_id: str) -> Member | None:
        """The member with this user id, or None."""
        rows = await self._database.rows(sql.FIND_MEMBER, user_id, repeatable=True)
        return Member(rows[0]["member_key"], rows[0]["org_key"]) if rows else None

    async def find_or_make(self, user_id: str) -> int:
        """The member_key of this user, made on first sight."""
        while True:
            if member := await self.find(user_id):
                return member.member_key
            # No row comes back where another call has made it meanwhile: find it then.
            rows = await self._database.rows(sql.MAKE_MEMBER, user_id, repeatable=True)
            if rows:
                return int(rows[0]["member_key"])

    async def org_key(self, org_id: str) -> int:
        """The key of this organisation, made on first sight."""
        keys = await self._database.run(lambda connection: org_keys(connection, [org_id]), repeatable=True)
        return keys[org_id]

    async def upsert(self, members: Sequence[NewMember]) -> None:
        """Place each user, all or none. Each user id at most once."""

        async def work(connection: Connection) -> None:
            async with connection.transaction():
                keys = await org_keys(connection, (m.org_id for m in members if m.org_id is not None))
                user_ids = [member.user_id for member in members]
                placed = [None if member.org_id is None else keys[member.org_id] for member in members]
                await connection.rows(sql.UPSERT_MEMBERS, user_ids, placed)

        await self._database.run(work, repeatable=True)

    async def remove(self, user_ids: Sequence[str]) -> int:
        """Remove these users, all or none; return how many were members. Their marks stay until `sweep`."""

        async def work(connection: Connection) -> int:
            async with connection.transaction():
                rows = await connection.rows(sql.LOCK_MEMBERS, user_ids)
                await connection.rows(sql.REMOVE_MEMBERS, [row["member_key"] for row in rows])
                return len(rows)

        return await self._database.run(work, repeatable=True)

    async def sweep(self) -> None:
        """Delete the read marks of removed members, batch by batch, and then the members themselves."""
        after = 0
        while True:
            rows = await self._database.rows(sql.FIND_REMOVED_MEMBERS, after, MEMBERS_PER_BATCH, repeatable=True)
            if not rows:
                return
            removed = [row["member_key"] for row in rows]
            for member_key in removed:
                await self._delete_marks(member_key)
            await self._database.rows(sql.FORGET_REMOVED_MEMBERS, removed, repeatable=True)
            after = removed[-1]

    async def _delete_marks(self, member_key: int) -> None:
        deleted = MARKS_PER_BATCH
        while deleted == MARKS_PER_BATCH:
            rows = await self._database.rows(sql.DELETE_MARKS_OF_REMOVED, member_key, MARKS_PER_BATCH, repeatable=True)
            deleted = len(rows)
