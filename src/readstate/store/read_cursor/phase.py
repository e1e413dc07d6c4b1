"""Whether the upgrade to read cursors is finished (docs/decisions/0015-read-cursor.md)."""

from readstate.errors import Migrating
from readstate.store.pool import Database
from readstate.store.read_cursor.sql import FIND_PHASE


class CursorPhase:
    """Knows when every member has a cursor. Asks the database until that is so, and never again."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._finished = False

    async def is_finished(self) -> bool:
        """Whether the upgrade is finished."""
        if not self._finished:
            self._finished = bool(await self._database.rows(FIND_PHASE, "cursors_finished", repeatable=True))
        return self._finished

    async def require_finished(self) -> None:
        """Return if the upgrade is finished.

        Raises:
            Migrating: it is not.
        """
        if not await self.is_finished():
            raise Migrating
