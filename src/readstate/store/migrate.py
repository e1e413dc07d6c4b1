"""Migrations: plain numbered SQL files, each applied once, in order.

All that is pending is applied in one transaction under a transaction-level advisory lock, so that several servers may
start at once, also behind PgBouncer. A database that is ahead of this release is left as it is: migrations only add, so
an older server keeps working while a newer one is rolled out.
"""

import asyncio
import random
from importlib import resources
from typing import Final

import asyncpg

from readstate.errors import StartupError
from readstate.store.connector import Connector
from readstate.store.failures import DRIVER_ERRORS
from readstate.store.indexes import build_indexes
from readstate.store.pool import unreachable

OLDEST_SERVER: Final = 140000
"""PostgreSQL 14, as `server_version_num` counts."""

_LOCK: Final = 0x72656164  # "read": any number that no other user of the database takes

_PREPARE: Final = """
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = 0;
"""

# Servers of the release before go on meanwhile. Whoever waits for a table that is in use holds up all who come later,
# so the wait is short, and repeated.
_WAIT_BRIEFLY: Final = "SET LOCAL lock_timeout = '200ms'"
_TRIES: Final = 100

_HISTORY: Final = """
CREATE TABLE IF NOT EXISTS schema_migration (
    name       text        PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""

# Backstops behind the limits that the service sets itself: defaults of the role in this database, because they also
# hold behind PgBouncer, where startup parameters and SET do not. Compiling statements that take milliseconds costs
# more than it saves, hence jit. Written only where it differs: two sessions that write the same row collide.
_ROLE_DEFAULTS: Final = """
DO $$
DECLARE
    setting text;
BEGIN
    FOREACH setting IN ARRAY ARRAY['statement_timeout=5s', 'lock_timeout=1s', 'jit=off'] LOOP
        IF NOT EXISTS (
            SELECT FROM pg_db_role_setting
             WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
               AND setrole = (SELECT oid FROM pg_roles WHERE rolname = current_user)
               AND setting = ANY (setconfig)) THEN
            EXECUTE format('ALTER ROLE %I IN DATABASE %I SET %s TO %L', current_user, current_database(),
                           split_part(setting, '=', 1), split_part(setting, '=', 2));
        END IF;
    END LOOP;
END $$
"""


async def migrate(url: str) -> list[str]:
    """Bring the database to this release's schema; return the names of the migrations that this call applied.

    Raises:
        StartupError: the database cannot be reached, is older than PostgreSQL 14, or refuses a migration.
    """
    try:
        connection = await Connector(url).open(timeout=5, statement_cache_size=0)
    except (*DRIVER_ERRORS, ValueError) as error:
        raise unreachable(error) from error
    try:
        _require_supported(connection)
        applied = await _apply(connection)
        await build_indexes(connection, url)
        return applied
    except asyncpg.PostgresError as error:
        raise StartupError(f"the migration failed: {error}") from error
    finally:
        await connection.close(timeout=1)


def _require_supported(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    version = connection.get_server_version()
    if version.major * 10000 < OLDEST_SERVER:
        raise StartupError(f"PostgreSQL {version.major} is too old: 14 or newer is needed")


async def _apply(connection: "asyncpg.Connection[asyncpg.Record]") -> list[str]:
    for _ in range(_TRIES - 1):
        try:
            async with connection.transaction():
                return await _apply_pending(connection)
        except asyncpg.LockNotAvailableError:
            await asyncio.sleep(random.uniform(0.1, 0.5))  # noqa: S311 - jitter, not a secret
    async with connection.transaction():
        return await _apply_pending(connection)


async def _apply_pending(connection: "asyncpg.Connection[asyncpg.Record]") -> list[str]:
    await connection.execute(_PREPARE)
    await connection.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
    await connection.execute(_HISTORY)
    await connection.execute(_ROLE_DEFAULTS)
    applied = {row["name"] for row in await connection.fetch("SELECT name FROM schema_migration")}
    pending = {name: text for name, text in _migrations().items() if name not in applied}
    await connection.execute(_WAIT_BRIEFLY)
    for name, text in pending.items():
        await connection.execute(text)
        await connection.execute("INSERT INTO schema_migration (name) VALUES ($1)", name)
    return list(pending)


def _migrations() -> dict[str, str]:
    """The text of every migration by its name, in order."""
    files = (file for file in resources.files("readstate.store.migrations").iterdir() if file.name.endswith(".sql"))
    return {file.name.removesuffix(".sql"): file.read_text() for file in sorted(files, key=lambda file: file.name)}
