"""Members: which user belongs to which organisation."""

from collections.abc import Sequence
from typing import Final

from readstate.errors import NoOrganization
from readstate.model import Member, NewMember, OrgMember
from readstate.store.erasure.store import ErasureStore
from readstate.store.marks.sql import DELETE_MARKS_OF_REMOVED
from readstate.store.notifications.sql import DELETE_NOTIFICATIONS_OF_REMOVED
from readstate.store.organizations import FIND_ORGANIZATION, org_keys
from readstate.store.pool import Connection, Database
from readstate.store.read_cursor.phase import CursorPhase
from readstate.store.read_cursor.sql import MAKE_CURSORS, START_READ

ROWS_PER_BATCH: Final = 5_000
MEMBERS_PER_BATCH: Final = 500

FIND_MEMBER: Final = "SELECT member_key, org_key FROM member WHERE user_id = $1 AND removed_at IS NULL"

FIND_MEMBERS: Final = "SELECT user_id, member_key FROM member WHERE user_id = ANY ($1::text[]) AND removed_at IS NULL"

FIND_ORG_MEMBERS: Final = """
SELECT user_id, member_key, org_key FROM member
 WHERE user_id = ANY ($2::text[]) AND removed_at IS NULL
   AND org_key = (SELECT org_key FROM organization WHERE org_id = $1)
"""

# For the directory mode `claims`, where rows are made on first sight. Sorted like LOCK_MEMBERS.
MAKE_MEMBERS: Final = """
INSERT INTO member (user_id) SELECT user_id FROM unnest($1::text[]) AS i (user_id) ORDER BY user_id
ON CONFLICT (user_id) WHERE removed_at IS NULL DO NOTHING
"""

# Sorted like LOCK_MEMBERS. A member who is where they should be is not written again.
UPSERT_MEMBERS: Final = """
INSERT INTO member (user_id, org_key)
SELECT user_id, org_key FROM unnest($1::text[], $2::int[]) AS i (user_id, org_key) ORDER BY user_id
ON CONFLICT (user_id) WHERE removed_at IS NULL DO UPDATE SET org_key = EXCLUDED.org_key
 WHERE member.org_key IS DISTINCT FROM EXCLUDED.org_key
RETURNING user_id, member_key, org_key
"""

# An UPDATE cannot be told an order in which to lock, a SELECT can.
LOCK_MEMBERS: Final = """
SELECT user_id, member_key, org_key FROM member
 WHERE user_id = ANY ($1::text[]) AND removed_at IS NULL ORDER BY user_id FOR UPDATE
"""

REMOVE_MEMBERS: Final = "UPDATE member SET removed_at = now() WHERE member_key = ANY ($1::bigint[])"

FIND_REMOVED_MEMBERS: Final = """
SELECT member_key FROM member WHERE removed_at IS NOT NULL AND member_key > $1 ORDER BY member_key LIMIT $2
"""

# The row of a removed member outlives every call that may still hold its key from a cache: 60 s, and 5 s for the call.
# So what such a call writes is found and deleted too.
FORGET_REMOVED_MEMBERS: Final = """
DELETE FROM member
 WHERE removed_at < now() - interval '2 minutes' AND member_key = ANY ($1::bigint[])
   AND NOT EXISTS (SELECT FROM read_mark r WHERE r.member_key = member.member_key)
   AND NOT EXISTS (SELECT FROM read_cursor c WHERE c.member_key = member.member_key)
   AND NOT EXISTS (SELECT FROM notification n WHERE n.member_key = member.member_key)
   AND NOT EXISTS (SELECT FROM notification_cursor c WHERE c.member_key = member.member_key)
"""

FORGET_EMPTY_MEMBERS: Final = """
DELETE FROM member WHERE removed_at < now() - interval '2 minutes' AND member_key = ANY ($1::bigint[])
"""

_LEFT_BEHIND: Final = (DELETE_MARKS_OF_REMOVED, DELETE_NOTIFICATIONS_OF_REMOVED)


class MemberStore:
    """The member table. Raises as `Database.run`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._phase = CursorPhase(database)

    def generation(self) -> int:
        """As `Database.generation`: keys that were found under another one may have been lost since."""
        return self._database.generation

    async def find(self, user_id: str) -> Member | None:
        """The member with this user id, or None."""
        rows = await self._database.rows(FIND_MEMBER, user_id, repeatable=True)
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
                await connection.rows(MAKE_MEMBERS, missing)
                # Looked up again: another call may have made some of them meanwhile, and has its own returned.
                found |= await _member_keys(connection, missing)
            return found

        return await self._database.run(work, repeatable=True)

    async def find_in_organization(self, org_id: str, user_ids: Sequence[str]) -> dict[str, OrgMember]:
        """Those of the users who are members of this organisation, which need not exist."""
        rows = await self._database.rows(FIND_ORG_MEMBERS, org_id, user_ids, repeatable=True)
        return {row["user_id"]: OrgMember(row["member_key"], row["org_key"]) for row in rows}

    async def org_key(self, org_id: str) -> int:
        """The key of this organisation, made on first sight."""
        keys = await self._database.run(lambda connection: org_keys(connection, [org_id]), repeatable=True)
        return keys[org_id]

    async def org_id(self, org_key: int) -> str:
        """The id of an organisation.

        Raises:
            NoOrganization: it has just been erased.
        """
        rows = await self._database.rows(FIND_ORGANIZATION, org_key, repeatable=True)
        if not rows:
            raise NoOrganization
        return str(rows[0]["org_id"])

    async def upsert(self, members: Sequence[NewMember]) -> None:
        """Place each user, all or none. Each user id at most once.

        Who comes back to an organisation finds the read state that was left there. Who is new there finds its events
        unread, or read where the member says `start_read`.

        Raises:
            Migrating: a member says `start_read`, and the upgrade to read cursors is not finished.
        """
        if any(member.start_read for member in members):
            await self._phase.require_finished()

        async def work(connection: Connection) -> None:
            async with connection.transaction():
                await _upsert(connection, members)

        await self._database.run(work, repeatable=True)

    async def start_read(self, member: OrgMember) -> None:
        """Let a member who is new in the organisation find nothing unread. Changes nothing for any other.

        For members whose organisation comes from tokens, whom nobody places. Raises Migrating as `upsert`.
        """
        await self._phase.require_finished()
        await self._database.run(
            lambda connection: connection.rows_of(START_READ, [member.org_key], [member.member_key]), repeatable=True
        )

    async def remove(self, user_ids: Sequence[str]) -> int:
        """Remove these users, all or none; return how many were members. What is theirs stays until `sweep`."""

        async def work(connection: Connection) -> int:
            async with connection.transaction():
                rows = await connection.rows(LOCK_MEMBERS, user_ids)
                await connection.rows(REMOVE_MEMBERS, [row["member_key"] for row in rows])
                return len(rows)

        return await self._database.run(work, repeatable=True)

    async def sweep(self) -> None:
        """Delete what removed members leave behind, batch by batch, and then the members themselves."""
        after = 0
        while True:
            rows = await self._database.rows(FIND_REMOVED_MEMBERS, after, MEMBERS_PER_BATCH, repeatable=True)
            if not rows:
                return
            removed = [row["member_key"] for row in rows]
            forget = self._forget if self._database.batch == "mixed" else self._forget_by_organization
            await forget(removed)
            after = removed[-1]

    async def _forget(self, removed: list[int]) -> None:
        for member_key in removed:
            for statement in _LEFT_BEHIND:
                await self._database.delete(statement, member_key, batch=ROWS_PER_BATCH)
        await self._database.rows(FORGET_REMOVED_MEMBERS, removed, repeatable=True)

    async def _forget_by_organization(self, removed: list[int]) -> None:
        erasure = ErasureStore(self._database)
        await erasure.rows_of(removed)
        # Who was removed two minutes ago gets no row any more: what is found now is all.
        left = await erasure.who_has_rows(removed)
        await self._database.rows(FORGET_EMPTY_MEMBERS, [key for key in removed if key not in left], repeatable=True)


async def _member_keys(connection: Connection, user_ids: Sequence[str]) -> dict[str, int]:
    rows = await connection.rows(FIND_MEMBERS, user_ids)
    return {row["user_id"]: row["member_key"] for row in rows}


async def _upsert(connection: Connection, members: Sequence[NewMember]) -> None:
    keys = await org_keys(connection, (member.org_id for member in members if member.org_id is not None))
    user_ids = [member.user_id for member in members]
    before = {row["user_id"]: row["org_key"] for row in await connection.rows(LOCK_MEMBERS, user_ids)}
    org_key_of = [None if member.org_id is None else keys[member.org_id] for member in members]
    moved = await connection.rows(UPSERT_MEMBERS, user_ids, org_key_of)
    # A cursor stays behind, also of who has read nothing: it says that they are not new when they come back.
    left = [(before[row["user_id"]], row["member_key"]) for row in moved if before.get(row["user_id"]) is not None]
    if left:
        await connection.rows_of(MAKE_CURSORS, *zip(*left, strict=True))
    start_read = {member.user_id for member in members if member.start_read}
    new = [
        (row["org_key"], row["member_key"])
        for row in moved
        if row["org_key"] is not None and row["user_id"] in start_read
    ]
    if new:
        await connection.rows_of(START_READ, *zip(*new, strict=True))
