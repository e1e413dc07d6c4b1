"""Keeps read cursors small, in the background: many rows become ranges, too many ranges become rows again."""

from typing import Final

from readstate.model import OrgMember
from readstate.store.pool import Connection, Database, Row
from readstate.store.read_cursor.lock import lock, settle
from readstate.store.read_cursor.tidy_sql import (
    FIND_ORGANIZATIONS,
    FIND_UNTIDY,
    FIND_UNTIDY_OF_ONE,
    FOLD,
    TAKE_OUT,
    UNFOLD,
)

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
CURSORS_PER_STATEMENT: Final = 100
"""What a statement counts as, that looks at one organisation with fewer cursors."""
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
        sweep = self._sweep_all if self._database.batch == "mixed" else self._sweep_each
        await sweep()

    async def _sweep_all(self) -> None:
        for _ in range(CURSORS_PER_SWEEP // CURSORS_PER_PAGE):
            rows = await self._page(FIND_UNTIDY)
            if len(rows) < CURSORS_PER_PAGE:
                self._after = (0, 0)
                return
            self._after = (rows[-1]["org_key"], rows[-1]["member_key"])

    async def _sweep_each(self) -> None:
        """One organisation after the other."""
        looked_at = 0
        while looked_at < CURSORS_PER_SWEEP:
            org_key, _ = self._after
            rows = await self._page(FIND_UNTIDY_OF_ONE)
            looked_at += max(len(rows), CURSORS_PER_STATEMENT)
            if len(rows) == CURSORS_PER_PAGE:
                self._after = (org_key, rows[-1]["member_key"])
                continue
            further = await self._database.rows(FIND_ORGANIZATIONS, org_key, 1, repeatable=True)
            self._after = (further[0]["org_key"] if further else 0, 0)
            if not further:
                return

    async def _page(self, statement: str) -> list[Row]:
        rows = await self._database.rows(statement, *self._after, CURSORS_PER_PAGE, repeatable=True)
        for row in rows:
            await self._tidy(row)
        return rows

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
        async def work(connection: Connection) -> list[Row]:
            async with connection.transaction():
                await lock(connection, member)
                keys = member.org_key, member.member_key
                rows = await connection.rows(UNFOLD, *keys, MANY_RANGES, ROWS_PER_STEP)
                if rows:
                    await connection.rows(TAKE_OUT, *keys, [row["seq"] for row in rows])
                return rows

        while await self._database.run(work, repeatable=True):
            pass

    async def _step(self, member: OrgMember, statement: str, *args: object) -> list[Row]:
        async def work(connection: Connection) -> list[Row]:
            async with connection.transaction():
                await lock(connection, member)
                return await connection.rows(statement, member.org_key, member.member_key, *args)

        return await self._database.run(work, repeatable=True)
