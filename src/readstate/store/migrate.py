"""Migrations: plain numbered SQL files, each applied once, in order.

All that is pending is applied in one transaction under a transaction-level advisory lock, so that several servers may
start at once, also behind PgBouncer. A database that is ahead of this release is left as it is: migrations only add, so
an older server keeps working while a newer one is rolled out.
"""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import Final

import asyncpg

from readstate.errors import StartupError
from readstate.store.indexes import build_indexes
from readstate.store.session import session

_LOCK: Final = 0x72656164  # "read": any number that no other user of the database takes

_PREPARE: Final = """
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = 0;
"""

# Servers of the release before go on meanwhile. Whoever waits for a table that is in use holds up all who come later,
# so the wait is short, and repeated.
_WAIT_BRIEFLY: Final = "SET LOCAL lock_timeout = '200ms'"
_TRIES: Final = 100

# Nothing is made where all is there: a role that may not alter anything can then call this too, and a backup that reads
# the table is not in the way.
_HISTORY: Final = """
DO $$
BEGIN
    IF to_regclass('schema_migration') IS NULL THEN
        CREATE TABLE schema_migration (
            name            text        PRIMARY KEY,
            applied_at      timestamptz NOT NULL DEFAULT now(),
            compatible_from int         NOT NULL DEFAULT 1
        );
    ELSIF NOT EXISTS (SELECT FROM pg_attribute
                       WHERE attrelid = 'schema_migration'::regclass AND attname = 'compatible_from') THEN
        ALTER TABLE schema_migration ADD COLUMN compatible_from int NOT NULL DEFAULT 1;
    END IF;
END $$
"""

_APPLIED: Final = "INSERT INTO schema_migration (name, compatible_from) VALUES ($1, $2)"

# In a file whose migration servers before some other one cannot live with. Without it they can, as with all that only
# adds. `store/schema.py` reads what is recorded.
_COMPATIBLE_FROM: Final = re.compile(r"^-- compatible from: (\d{4})$", re.MULTILINE)


async def migrate(url: str) -> list[str]:
    """Bring the database to this release's schema; return the names of the migrations that this call applied.

    Raises:
        StartupError: the database cannot be reached, is older than PostgreSQL 14, or refuses a migration.
    """
    async with session(url) as connection:
        try:
            applied = await _apply(connection)
            await build_indexes(connection, url)
            return applied
        except asyncpg.PostgresError as error:
            raise StartupError(f"the migration failed: {error}") from error


async def _apply(connection: "asyncpg.Connection[asyncpg.Record]") -> list[str]:
    for _ in range(_TRIES - 1):
        try:
            async with connection.transaction():
                return await _apply_pending(connection)
        except asyncpg.LockNotAvailableError:
            await asyncio.sleep(random.uniform(0.1, 0.5))  # noqa: S311 - jitter, not a secret
    async with connection.transaction():
        return await _apply_pending(connection)


async def under_lock(
    connection: "asyncpg.Connection[asyncpg.Record]",
    work: "Callable[[asyncpg.Connection[asyncpg.Record]], Awaitable[list[str]]]",
) -> list[str]:
    """Do other work on the schema, in a transaction, while nobody migrates."""
    async with connection.transaction():
        await _lock(connection)
        return await work(connection)


async def _lock(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    await connection.execute(_PREPARE)
    await connection.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")


async def _apply_pending(connection: "asyncpg.Connection[asyncpg.Record]") -> list[str]:
    await _lock(connection)
    await connection.execute(_WAIT_BRIEFLY)
    await connection.execute(_HISTORY)
    applied = {row["name"] for row in await connection.fetch("SELECT name FROM schema_migration")}
    pending = {name: text for name, text in migrations().items() if name not in applied}
    for name, text in pending.items():
        await connection.execute(text)
        await connection.execute(_APPLIED, name, compatible_from(text))
    return list(pending)


def migrations() -> dict[str, str]:
    """The text of every migration by its name, in order."""
    files = (file for file in resources.files("readstate.store.migrations").iterdir() if file.name.endswith(".sql"))
    return {file.name.removesuffix(".sql"): file.read_text() for file in sorted(files, key=lambda file: file.name)}


def compatible_from(text: str) -> int:
    """The number of the migration that a server must know to work with what this one makes."""
    match = _COMPATIBLE_FROM.search(text)
    return int(match[1]) if match else 1
