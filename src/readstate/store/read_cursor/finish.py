"""The second phase of the upgrade to cursors: everybody who has marks or notifications gets one.

For when no server of the release before is left: those write without a cursor. Servers of this release go on, and
notice by themselves. Each step is a transaction of its own, and the whole may be run again, or twice at once.
"""

import asyncio
import random
from typing import Final

import asyncpg

from readstate.errors import StartupError
from readstate.store.notifications.sql import MAKE_CURSORS as MAKE_NOTIFICATION_CURSORS
from readstate.store.read_cursor.sql import MAKE_CURSORS
from readstate.store.session import session

MEMBERS_PER_STEP: Final = 200
_TRIES: Final = 100

# Who marks without a cursor holds a lock on the table until that is committed, and has looked for this phase in a
# snapshot that is later than the lock. So when this is committed, no mark without a cursor is left in flight, and none
# can begin. The wait is short, and repeated, because whoever comes later waits as well. Servers that know no cursor do
# not start any more.
_BEGIN: Final = """
SET LOCAL lock_timeout = '200ms';
LOCK TABLE read_mark, notification IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO migration_phase (name) VALUES ('cursors_kept') ON CONFLICT DO NOTHING;
UPDATE schema_migration SET compatible_from = 3 WHERE name = '0003_read_cursors'
"""

# The next owners of rows, by steps from one key of the index to the next.
_OWNERS: Final = """
WITH RECURSIVE owner AS (
    (SELECT member_key, org_key FROM {table}
      WHERE (member_key, org_key) > ($1::bigint, $2::int) ORDER BY member_key, org_key LIMIT 1)
    UNION ALL
    SELECT next.member_key, next.org_key
      FROM owner o
     CROSS JOIN LATERAL (
        SELECT member_key, org_key FROM {table}
         WHERE (member_key, org_key) > (o.member_key, o.org_key) ORDER BY member_key, org_key LIMIT 1) next)
SELECT member_key, org_key FROM owner LIMIT $3
"""
OWNERS_OF_MARKS: Final = _OWNERS.replace("{table}", "read_mark")
OWNERS_OF_NOTIFICATIONS: Final = _OWNERS.replace("{table}", "notification")

_END: Final = "INSERT INTO migration_phase (name) VALUES ('cursors_finished') ON CONFLICT DO NOTHING"


async def finish(url: str) -> int:
    """Make the cursors that are missing; return how many.

    Raises:
        StartupError: the database cannot be reached or refuses, or its first phase has not been applied.
    """
    async with session(url) as connection:
        try:
            await _begin(connection)
            made = await _make_all(connection, OWNERS_OF_MARKS, MAKE_CURSORS.together)
            made += await _make_all(connection, OWNERS_OF_NOTIFICATIONS, MAKE_NOTIFICATION_CURSORS.together)
            await connection.execute(_END)
            return made
        except asyncpg.PostgresError as error:
            raise StartupError(f"the upgrade cannot be finished: {error}") from error


async def _begin(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    for left in reversed(range(_TRIES)):
        try:
            async with connection.transaction():
                await connection.execute(_BEGIN)
            return
        except asyncpg.LockNotAvailableError:
            if not left:
                raise
            await asyncio.sleep(random.uniform(0.1, 0.5))  # noqa: S311 - jitter, not a secret


async def _make_all(connection: "asyncpg.Connection[asyncpg.Record]", find: str, make: str) -> int:
    made, after = 0, (0, 0)
    while owners := await connection.fetch(find, *after, MEMBERS_PER_STEP):
        org_keys = [owner["org_key"] for owner in owners]
        made += len(await connection.fetch(make, org_keys, [owner["member_key"] for owner in owners]))
        after = (owners[-1]["member_key"], owners[-1]["org_key"])
    return made
