"""Reading back what a member has and has not read."""

from typing import Final

from readstate.errors import SystemEventNotFound
from readstate.model import (
    EventPage,
    EventQuery,
    MarkAllResult,
    OrgMember,
    Reader,
    ReaderPage,
    UndoResult,
    UnreadState,
)
from readstate.store.inbox import pages, sql
from readstate.store.inbox.count import UnreadCounts
from readstate.store.inbox.undo_token import LARGEST, LARGEST_SEQ, ranges, undo_token
from readstate.store.pool import Connection, Database, Row
from readstate.store.read_cursor.lock import under_lock

MOST_LOOKED_AT: Final = 10_000
"""Members that one page of readers looks at."""


class InboxStore:
    """What a member reads back. All methods are safe to repeat, and raise as `Database.run`; also:

    Raises:
        Migrating: the upgrade to read cursors is not finished (docs/decisions/0015-read-cursor.md).

    The promise:
    - What one reply says comes from one snapshot.
    - A count is what counting every event would give.
    - Mark-all reads no event above its `up_to`, whatever is being recorded.
    """

    def __init__(self, database: Database, *, organization_from_claims: bool = False) -> None:
        """`organization_from_claims`: members have no organisation of their own, as with READSTATE_DIRECTORY=claims."""
        self._database = database
        self._counts = UnreadCounts(database)
        self._organization_from_claims = organization_from_claims

    async def unread_count(self, member: OrgMember) -> UnreadState:
        """How many events the member has not read."""
        return await self._counts.of(member)

    async def page(self, member: OrgMember, query: EventQuery) -> EventPage:
        """Events of the member's organisation, newest first. Pages neither repeat nor miss one while others come in."""
        await self._counts.require_finished()
        return await self._database.run(lambda connection: pages.page(connection, member, query), repeatable=True)

    async def mark_all_read(self, member: OrgMember, up_to: int) -> MarkAllResult:
        """Mark all events up to this `seq` as read, and none above."""
        await self._counts.require_finished()

        async def work(connection: Connection) -> Row:
            return await under_lock(connection, member, sql.MARK_ALL_READ, min(up_to, LARGEST_SEQ - 1), LARGEST)

        row = await self._database.run(work, repeatable=True)
        token = None if row["delta"] is None else undo_token(member, row["delta"])
        return MarkAllResult(row["changed"], row["unread"], row["version"], token)

    async def undo_mark_all(self, member: OrgMember, undo_token: str) -> UndoResult:
        """Make unread what a mark-all has changed.

        Raises:
            InvalidUndoToken: the token belongs to another member or organisation, or is no undo token.
        """
        undone = ranges(undo_token, member)
        await self._counts.require_finished()

        async def work(connection: Connection) -> Row:
            return await under_lock(connection, member, sql.UNDO_MARK_ALL, undone)

        row = await self._database.run(work, repeatable=True)
        return UndoResult(row["changed"], row["unread"], row["version"])

    async def readers(self, org_key: int, event_id: int, after: int | None, limit: int) -> ReaderPage:
        """Present members who have read the event. A page looks at no more than 10,000 members, and may be empty.

        Raises:
            SystemEventNotFound: the organisation has no such event.
        """
        await self._counts.require_finished()
        rows = await self._database.rows(
            sql.READERS,
            org_key,
            event_id,
            after or 0,
            MOST_LOOKED_AT,
            limit + 1,
            self._organization_from_claims,
            repeatable=True,
        )
        if not rows:
            raise SystemEventNotFound
        found = [row for row in rows if row["member_key"] is not None]
        if len(found) > limit:
            next_after = found[limit - 1]["member_key"]
        else:
            next_after = rows[0]["last_looked_at"] if rows[0]["looked_at"] == MOST_LOOKED_AT else None
        return ReaderPage([Reader(row["user_id"], row["read_at"]) for row in found[:limit]], next_after)
