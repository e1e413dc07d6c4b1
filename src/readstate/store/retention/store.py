"""Prunes one organisation after the other."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final

from readstate.model import Pruned, Retention
from readstate.store.pool import Database, Row
from readstate.store.read_cursor.phase import CursorPhase
from readstate.store.retention.events import EventPruner
from readstate.store.retention.marks import MarkPruner
from readstate.store.retention.notifications import NotificationPruner
from readstate.store.retention.pages import PagePruner

ORGANIZATIONS_PER_PAGE: Final = 1_000

# A position has no gap, so the oldest event of a stream is the one above `pruned_seq`.
FIND_STREAMS: Final = """
SELECT s.org_key, coalesce(e.recorded_at < $3, false) AS old, s.pruned_seq > 0 AS pruned
  FROM (SELECT org_key, pruned_seq FROM event_stream WHERE org_key > $1 ORDER BY org_key LIMIT $2) s
  LEFT JOIN LATERAL (
    SELECT recorded_at FROM system_event e WHERE e.org_key = s.org_key AND e.seq = s.pruned_seq + 1 OFFSET 0) e ON true
 ORDER BY s.org_key
"""

# The same on a database that is sharded by organisation: all streams, and then each.
FIND_ALL_STREAMS: Final = "SELECT org_key FROM event_stream WHERE org_key > $1 ORDER BY org_key LIMIT $2"
FIND_STREAM: Final = """
SELECT coalesce(e.recorded_at < $2, false) AS old, s.pruned_seq > 0 AS pruned
  FROM event_stream s
  LEFT JOIN LATERAL (
    SELECT recorded_at FROM system_event e WHERE e.org_key = $1 AND e.seq = s.pruned_seq + 1 OFFSET 0) e ON true
 WHERE s.org_key = $1
"""

FIND_NOTIFIED: Final = """
SELECT org_key FROM notification_stream WHERE org_key > $1 ORDER BY org_key LIMIT $2
"""


class RetentionStore:
    """What is old goes. Raises as `Database.run`; also Migrating while the upgrade to read cursors is not finished.

    The promise:
    - Events go from the oldest on, and none before a younger one. What a member has not read of them stops counting.
    - Counts, lists and cursors are exact at every moment, also where the work breaks off; another run goes on.
    - No lock is held for longer than a short step, and no call waits for a whole prune.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._phase = CursorPhase(database)

    async def prune(
        self, kept: Retention, *, now: datetime | None = None, dry_run: bool = False, in_bulk: bool = False
    ) -> Pruned:
        """Delete what is older than it has to be `now`; return how much. With `dry_run` only count it.

        `in_bulk` is for much: it reads the whole table of marks once. Without it each mark is found by its key.
        """
        if kept.events is None and kept.notifications is None:
            return Pruned(0, 0, 0)
        await self._phase.require_finished()
        now = datetime.now(UTC) if now is None else now
        events, marks = (0, 0) if kept.events is None else await self._events(now - kept.events, dry_run, in_bulk)
        notifications = 0
        if kept.notifications is not None:
            notifications = await self._notifications(now - kept.notifications, kept.unread_notifications, dry_run)
        return Pruned(events, marks, notifications)

    async def _events(self, before: datetime, dry_run: bool, in_bulk: bool) -> tuple[int, int]:
        events = marks = 0
        pages = PagePruner(self._database)
        in_bulk = in_bulk and not dry_run and self._database.batch == "mixed"
        by_page = in_bulk and await pages.pages() > 0
        marks_of = MarkPruner(self._database, leaves_rows=by_page)
        async for org_key, old, pruned in self._streams(before):
            if dry_run:
                found, up_to = await EventPruner(self._database).look(org_key, before)
                events += found
                marks += await marks_of.count(org_key, up_to) if up_to else 0
            elif old or pruned:
                events += await EventPruner(self._database).prune(org_key, before)
                # Also where an earlier run broke off.
                marks += await marks_of.prune(org_key)
        if by_page:
            marks += await pages.prune()
        return events, marks

    async def _streams(self, before: datetime) -> AsyncIterator[tuple[int, bool, bool]]:
        after, found = 0, ORGANIZATIONS_PER_PAGE
        while found == ORGANIZATIONS_PER_PAGE:
            page = self._page if self._database.batch == "mixed" else self._page_of_each
            rows = await page(after, before)
            for row in rows:
                yield row["org_key"], row["old"], row["pruned"]
            found, after = len(rows), rows[-1]["org_key"] if rows else 0

    async def _page(self, after: int, before: datetime) -> list[Row]:
        return await self._database.rows(FIND_STREAMS, after, ORGANIZATIONS_PER_PAGE, before, repeatable=True)

    async def _page_of_each(self, after: int, before: datetime) -> list[dict[str, Any]]:
        rows = await self._database.rows(FIND_ALL_STREAMS, after, ORGANIZATIONS_PER_PAGE, repeatable=True)
        return [
            {**row, **stream}
            for row in rows
            for stream in await self._database.rows(FIND_STREAM, row["org_key"], before, repeatable=True)
        ]

    async def _notifications(self, before: datetime, unread: bool, dry_run: bool) -> int:
        total, after, found = 0, 0, ORGANIZATIONS_PER_PAGE
        while found == ORGANIZATIONS_PER_PAGE:
            rows = await self._database.rows(FIND_NOTIFIED, after, ORGANIZATIONS_PER_PAGE, repeatable=True)
            for row in rows:
                org_key = row["org_key"]
                pruner = NotificationPruner(self._database, org_key, before, unread=unread, dry_run=dry_run)
                total += await pruner.prune()
            found, after = len(rows), rows[-1]["org_key"] if rows else 0
        return total
