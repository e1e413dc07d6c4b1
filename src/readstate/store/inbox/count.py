"""How much a member has not read."""

from typing import Final

from readstate.model import OrgMember, UnreadState
from readstate.store.pool import Connection, Database
from readstate.store.read_cursor.lock import settle
from readstate.store.read_cursor.phase import CursorPhase

# One row of the stream and one of the cursor, in one snapshot: that of another `last_seq` once gave -20.
UNREAD_COUNT: Final = """
SELECT s.last_seq - coalesce(c.read_count, s.pruned_seq) AS unread, s.last_seq AS head,
       coalesce(c.version, 0) AS version, coalesce(c.pruned_seq < s.pruned_seq, false) AS behind
  FROM event_stream s
  LEFT JOIN read_cursor c ON c.org_key = $1 AND c.member_key = $2
 WHERE s.org_key = $1
"""


class UnreadCounts:
    """Counts of unread events. Raises as `Database.run`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._phase = CursorPhase(database)

    async def require_finished(self) -> None:
        """Return once there are counts. Raises Migrating."""
        await self._phase.require_finished()

    async def of(self, member: OrgMember) -> UnreadState:
        """What the member has not read, from one snapshot.

        Raises:
            Migrating: the upgrade to read cursors is not finished.
        """
        await self._phase.require_finished()

        async def work(connection: Connection) -> UnreadState:
            while True:
                (row,) = await connection.rows(UNREAD_COUNT, member.org_key, member.member_key)
                if not row["behind"]:
                    return UnreadState(row["unread"], row["head"], row["version"])
                await settle(connection, member)

        return await self._database.run(work, repeatable=True)
