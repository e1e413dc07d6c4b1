"""Members: which user belongs to which organisation."""

from collections.abc import Sequence
from typing import Final

from readstate.model import Member, NewMember, OrgMember
from readstate.store import notification_sql, sql
from readstate.store.organizations import org_keys
from readstate.store.pool import Connection, Database

ROWS_PER_BATCH: Final = 5_000
MEMBERS_PER_BATCH: Final = 500

_LEFT_BEHIND: Final = (sql.DELETE_MARKS_OF_REMOVED, notification_sql.DELETE_NOTIFICATIONS_OF_REMOVED)


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
        return (await self.find_or_make_all([user_id]))[user_id]

    async def find_or_make_all(self, user_ids: Sequence[str]) -> dict[str, int]:
        """The member_key of each user, made on first sight."""

        async def work(connection: Connection) -> dict[str, int]:
            found = await _member_keys(connection, user_ids)
            missing = [user_id for user_id in user_ids if user_id not in found]
            if missing:
                await connection.rows(sql.MAKE_MEMBERS, missing)
                # Looked up again: another call may have made some of them meanwhile, and has its own returned.
                found |= await _member_keys(connection, missing)
            return found

        return await self._database.run(work, repeatable=True)

    async def find_in_organization(self, org_id: str, user_ids: Sequence[str]) -> dict[str, OrgMember]:
        """Those of the users who are members of this organisation, which need not exist."""
        rows = await self._database.rows(sql.FIND_ORG_MEMBERS, org_id, user_ids, repeatable=True)
        return {row["user_id"]: OrgMember(row["member_key"], row["org_key"]) for row in rows}

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
        """Remove these users, all or none; return how many were members. What is theirs stays until `sweep`."""

        async def work(connection: Connection) -> int:
            async with connection.transaction():
                rows = await connection.rows(sql.LOCK_MEMBERS, user_ids)
                await connection.rows(sql.REMOVE_MEMBERS, [row["member_key"] for row in rows])
                return len(rows)

        return await self._database.run(work, repeatable=True)

    async def sweep(self) -> None:
        """Delete what removed members leave behind, batch by batch, and then the members themselves."""
        after = 0
        while True:
            rows = await self._database.rows(sql.FIND_REMOVED_MEMBERS, after, MEMBERS_PER_BATCH, repeatable=True)
            if not rows:
                return
            removed = [row["member_key"] for row in rows]
            for member_key in removed:
                for statement in _LEFT_BEHIND:
                    await self._database.delete(statement, member_key, batch=ROWS_PER_BATCH)
            await self._database.rows(sql.FORGET_REMOVED_MEMBERS, removed, repeatable=True)
            after = removed[-1]


async def _member_keys(connection: Connection, user_ids: Sequence[str]) -> dict[str, int]:
    rows = await connection.rows(sql.FIND_MEMBERS, user_ids)
    return {row["user_id"]: row["member_key"] for row in rows}
