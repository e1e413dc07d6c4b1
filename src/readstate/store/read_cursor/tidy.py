"""Keeps read cursors small, in the background: many rows become ranges, too many ranges become rows again."""

from typing import Final

from readstate.model import OrgMember
from readstate.store.pool import Connection, Database, Row
from readstate.store.read_cursor.lock import lock, settle
from readstate.store.read_cursor.tidy_sql import FIND_UNTIDY, FOLD, UNFOLD

MANY_ROWS: Final = 1_000
"""A member's rows above which neighbours are folded; and how many there must be more to try again."""
ROWS_PER_STEP: Final = 1_000
"""Rows that one transaction folds or makes."""
FULL: Final = 1_000
"""Ranges of a cursor above which nothing new is folded."""
MANY_RANGES: Final = 2_000
"""Ranges of a cursor above which the shortest become rows again. Unmarking every second event of a million once made a
value of 6.5 MB, which every change then wrote anew."""
MOST_REMEMBERED: Final = 100_000
"""Members of whom it is remembered how many rows could not be folded."""
CURSORS_PER_PAGE: Final = 1_000
CURSORS_PER_SWEEP: Final = 100_000
"""Cursors that one sweep looks at; the next one goes on from there."""


class CursorTidier:
    """Sweeps over all cursors, a part at a time. Raises as `Database.run`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._after = (0, 0)
        self._rows_left: dict[OrgMember, int] = {}

    async def sweep(self) -> None:
        """Look at the next cursors, and do what they want: settle, fold, unfold. Each step is a transaction."""
        for _ in range(CURSORS_PER_SWEEP // CURSORS_PER_PAGE):
            rows = await self._database.rows(FIND_UNTIDY, *self._after, CURSORS_PER_PAGE, repeatable=True)
            for row in rows:
                await self._tidy(row)
            if len(rows) < CURSORS_PER_PAGE:
                self._after = (0, 0)
                return
            self._after = (rows[-1]["org_key"], rows[-1]["member_key"])

    async def _tidy(self, row: Row) -> None:
        member = OrgMember(row["member_key"], row["org_key"])
        if row["behind"]:
            await self._database.run(lambda connection: settle(connection, member), repeatable=True)
        if row["rows"] > MANY_ROWS + self._rows_left.get(member, 0):
            await self._fold(member, row["rows"])
        if row["ranges"] > MANY_RANGES:
            await self._unfold(member)

    async def _fold(self, member: OrgMember, rows: int) -> None:
        start, looked_at = 0, ROWS_PER_STEP
        while looked_at == ROWS_PER_STEP:
            (step,) = await self._step(member, FOLD, start, ROWS_PER_STEP, FULL)
            looked_at, start = step["looked_at"], step["last"]
            rows -= step["folded"]
        # What has no neighbour is not looked at again every minute.
        if len(self._rows_left) >= MOST_REMEMBERED:
            self._rows_left.clear()
        self._rows_left[member] = rows

    async def _unfold(self, member: OrgMember) -> None:
        while await self._step(member, UNFOLD, MANY_RANGES, ROWS_PER_STEP):
            pass

    async def _step(self, member: OrgMember, statement: str, *args: object) -> list[Row]:
        async def work(connection: Connection) -> list[Row]:
            async with connection.transaction():
                await lock(connection, member)
                return await connection.rows(statement, member.org_key, member.member_key, *args)

        return await self._database.run(work, repeatable=True)
