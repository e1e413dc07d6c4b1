"""Whether a database's schema and this release fit together.

Each migration records the number of the migration that a server must at least know to work with what it made. A release
works with a schema that has all of its own migrations, and none whose record asks for more than it knows.
"""

from collections.abc import Sequence
from typing import Final

import asyncpg

from readstate.errors import StartupError
from readstate.store.by_organization import Batch
from readstate.store.migrate import migrations
from readstate.store.pool import unreachable
from readstate.store.session import session

_HISTORY: Final = "SELECT to_regclass('schema_migration') IS NOT NULL"

# A release that never made the column knew of no step that is not compatible.
_APPLIED: Final = "SELECT name, compatible_from FROM schema_migration"


# Where Citus is, and has the table in shards.
_KNOWS_SHARDS: Final = "SELECT to_regclass('pg_dist_partition') IS NOT NULL"
_IS_SHARDED: Final = """
SELECT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = to_regclass('read_mark') AND partmethod = 'h')
"""
_IS_FINISHED: Final = "SELECT EXISTS (SELECT FROM migration_phase WHERE name = 'cursors_finished')"


async def require_usable(url: str, batch: Batch) -> None:
    """Compare the schema with what this release knows, and with what a statement may hold. Reads alone.

    Raises:
        StartupError: the database cannot be reached or read, its schema is too old or too new, or `batch` is not for
            it.
    """
    async with session(url) as connection:
        try:
            rows = await connection.fetch(_APPLIED) if await connection.fetchval(_HISTORY) else []
            _compare(rows)
            if batch == "mixed" and await connection.fetchval(_KNOWS_SHARDS) and await connection.fetchval(_IS_SHARDED):
                raise StartupError("READSTATE_BATCH: the database is sharded by organisation, which needs organization")
            if batch == "organization" and not await connection.fetchval(_IS_FINISHED):
                raise StartupError(
                    "READSTATE_BATCH=organization needs a finished upgrade: `readstate migrate --finish`"
                )
        except asyncpg.PostgresError as error:
            raise unreachable(error) from error


def _compare(rows: "Sequence[asyncpg.Record]") -> None:
    known = list(migrations())
    missing = [name for name in known if name not in {row["name"] for row in rows}]
    if missing:
        raise StartupError(f"the database's schema is too old: run `readstate migrate`, which applies {missing[0]}")
    asked = max(row["compatible_from"] for row in rows)
    if asked > int(known[-1][:4]):
        raise StartupError(f"the database's schema is too new: it needs a release that knows migration {asked:04}")
