"""Read marks: which member has read which event."""

from collections.abc import Sequence

from readstate.model import MarkResult, OrgMember
from readstate.store import sql
from readstate.store.pool import Database


class MarkStore:
    """The mark table. Both methods are safe to repeat, take ids in any order, and raise as `Database.run`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def mark_read(self, member: OrgMember, event_ids: Sequence[int]) -> MarkResult:
        """Mark the events of the member's organisation as read; other ids name nothing. The first mark wins."""
        return await self._write(sql.MARK_READ, member, event_ids)

    async def mark_unread(self, member: OrgMember, event_ids: Sequence[int]) -> MarkResult:
        """Remove the member's marks of these events; other ids name nothing."""
        return await self._write(sql.MARK_UNREAD, member, event_ids)

    async def _write(self, statement: str, member: OrgMember, event_ids: Sequence[int]) -> MarkResult:
        (row,) = await self._database.rows(statement, member.org_key, member.member_key, event_ids, repeatable=True)
        return MarkResult(changed=row["changed"], matched=row["matched"])
