"""Deletes notifications that are older."""

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import partial
from typing import Final, TypeAlias

from readstate.store.by_organization import by_place
from readstate.store.pool import Connection, Database, Row
from readstate.store.retention.pace import paced

MEMBERS_PER_STEP: Final = 100
ROWS_PER_MEMBER: Final = 50
"""Notifications of each member that a step looks at: 5,000 in all."""

Places: TypeAlias = dict[int, int]
"""Of members: up to where their notifications have been looked at."""
Step: TypeAlias = tuple[Collection[int], list[Row]]
"""The members who were not busy, and what became of their notifications."""

FIND_MEMBERS: Final = """
SELECT member_key FROM notification_cursor WHERE org_key = $1 AND member_key > $2 ORDER BY member_key LIMIT $3
"""

# In the order of their key.
LOCK_CURSORS: Final = """
SELECT member_key FROM notification_cursor
 WHERE org_key = $1 AND member_key = ANY ($2::bigint[]) ORDER BY member_key FOR UPDATE
"""
LOCK_FREE_CURSORS: Final = LOCK_CURSORS.rstrip() + " SKIP LOCKED"

# Each member's next notifications, from a place in their list on. Times follow the order of the list, so a member is
# done with the first one that is younger. What is unread may be kept: then the next step begins behind it.
_NEXT: Final = """
WITH next AS MATERIALIZED (
    SELECT i.member_key, n.seq, n.part, n.place, n.created_at < $4 AS old, n.unseen, n.unread
      FROM unnest($2::bigint[], $3::bigint[]) AS i (member_key, after)
     CROSS JOIN LATERAL (
        SELECT seq, tableoid AS part, ctid AS place, created_at, dismissed_at IS NULL AND seen_at IS NULL AS unseen,
               dismissed_at IS NULL AND read_at IS NULL AS unread
          FROM notification n
         WHERE n.member_key = i.member_key AND n.org_key = $1 AND n.seq > i.after ORDER BY n.seq LIMIT $6) n),
doomed AS MATERIALIZED (SELECT * FROM next WHERE old AND ($5 OR NOT unread))"""

_TOLD: Final = """
SELECT n.member_key, max(n.seq) AS last, count(*) = $6 AND bool_and(n.old) AS more,
       (count(*) FILTER (WHERE n.old AND ($5 OR NOT n.unread)))::int AS notifications
  FROM next n GROUP BY n.member_key ORDER BY n.member_key
"""

LOOK: Final = _NEXT + _TOLD

# Under the locks of the members' cursors, in a statement of its own. By their place: see marks/sql.py.
_DELETED: Final = """,
gone AS (
    DELETE FROM notification
     WHERE {shard}ctid = ANY (ARRAY (SELECT place FROM doomed))
       AND ((tableoid, ctid) IN (SELECT part, place FROM doomed)) IS TRUE),
counted AS (
    UPDATE notification_cursor c
       SET version = c.version + 1, unseen = c.unseen - d.unseen, unread = c.unread - d.unread
      FROM (SELECT member_key, count(*) FILTER (WHERE unseen) AS unseen, count(*) FILTER (WHERE unread) AS unread
              FROM doomed GROUP BY member_key) d
     WHERE c.org_key = $1 AND c.member_key = ANY ($2) AND c.member_key = d.member_key)"""
PRUNE: Final = by_place(_NEXT + _DELETED + _TOLD)


class NotificationPruner:
    """Prunes one organisation. Raises as `Database.run`."""

    def __init__(self, database: Database, org_key: int, before: datetime, *, unread: bool, dry_run: bool) -> None:
        """Takes what was created `before`; what is neither read nor dismissed only with `unread`."""
        self._database = database
        self._org_key = org_key
        self._filter = before, unread
        self._step = self._look if dry_run else self._delete

    async def prune(self) -> int:
        """Delete the notifications; return how many. With `dry_run` only count them."""
        total, last, found = 0, 0, MEMBERS_PER_STEP
        while found == MEMBERS_PER_STEP:
            rows = await paced(
                self._database.rows(FIND_MEMBERS, self._org_key, last, MEMBERS_PER_STEP, repeatable=True)
            )
            found, last = len(rows), rows[-1]["member_key"] if rows else 0
            total += await self._members([row["member_key"] for row in rows])
        return total

    async def _members(self, member_keys: Sequence[int]) -> int:
        total, busy = await self._walk(dict.fromkeys(member_keys, 0), LOCK_FREE_CURSORS)
        for member_key, after in busy.items():
            # Waited for, without a lock on anybody else.
            more, _ = await self._walk({member_key: after}, LOCK_CURSORS)
            total += more
        return total

    async def _walk(self, places: Places, lock: str) -> tuple[int, Places]:
        """Prune what these members have behind these places; return how many, and the members who were busy."""
        total = 0
        busy: Places = {}
        while places:
            step = partial(self._step, lock=lock, places=places)
            done, rows = await paced(self._database.run(step, repeatable=True))
            busy |= {key: after for key, after in places.items() if key not in done}
            total += sum(row["notifications"] for row in rows)
            places = {row["member_key"]: row["last"] for row in rows if row["more"]}
        return total, busy

    async def _look(self, connection: Connection, *, lock: str, places: Places) -> Step:
        return places, await self._ask(connection, LOOK, places)

    async def _delete(self, connection: Connection, *, lock: str, places: Places) -> Step:
        async with connection.transaction():
            free = {row["member_key"] for row in await connection.rows(lock, self._org_key, list(places))}
            return free, await self._ask(
                connection, PRUNE[connection.batch], {key: places[key] for key in places if key in free}
            )

    async def _ask(self, connection: Connection, statement: str, places: Places) -> list[Row]:
        keys, after = list(places), list(places.values())
        return await connection.rows(statement, self._org_key, keys, after, *self._filter, ROWS_PER_MEMBER)
