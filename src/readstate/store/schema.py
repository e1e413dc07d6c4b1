"""Whether a database's schema and this release fit together.

Each migration records the number of the migration that a server must at least know to work with what it made. A release
works with a schema that has all of its own migrations, and none whose record asks for more than it knows.
"""

from typing import Final

import asyncpg

from readstate.errors import StartupError
from readstate.store.migrate import migrations
from readstate.store.pool import unreachable
from readstate.store.session import session

_HISTORY: Final = "SELECT to_regclass('schema_migration') IS NOT NULL"

# A release that never made the column knew of no step that is not compatible.
_APPLIED: Final = "SELECT name, compatible_from FROM schema_migration"


async def require_usable(url: str) -> None:
    """Compare the schema with what this release knows. Reads alone.

    Raises:
        StartupError: the database cannot be reached or read, or its schema is too old or too new.
    """
    async with session(url) as connection:
        try:
            rows = await connection.fetch(_APPLIED) if await connection.fetchval(_HISTORY) else []
        except asyncpg.PostgresError as error:
            raise unreachable(error) from error
    known = list(migrations())
    missing = [name for name in known if name not in {row["name"] for row in rows}]
    if missing:
        raise StartupError(f"the database's schema is too old: run `readstate migrate`, which applies {missing[0]}")
    asked = max(row["compatible_from"] for row in rows)
    if asked > int(known[-1][:4]):
        raise StartupError(f"the database's schema is too new: it needs a release that knows migration {asked:04}")
