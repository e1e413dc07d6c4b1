"""Indexes of tables that may be large: built while others read and write, which no transaction can do.

Behind PgBouncer in transaction mode the settings below may not hold. There run `readstate migrate` on the database
itself before an upgrade with many events.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from readstate.store.connector import Connector

INDEXES: Final = {
    "system_event_type_idx": "ON system_event (org_key, type, seq)",
    "system_event_occurred_at_idx": "ON system_event (org_key, occurred_at, seq)",
}

# One that is not valid is being built, or is what a build that failed has left.
_FIND: Final = """
SELECT c.relname AS name, i.indisvalid AS valid
  FROM pg_class c
  JOIN pg_index i ON i.indexrelid = c.oid
 WHERE i.indrelid = 'system_event'::regclass
"""

# In a mode that excludes nobody but itself and VACUUM.
_LOCK: Final = """
SET LOCAL idle_in_transaction_session_timeout = 0;
LOCK TABLE schema_migration IN SHARE UPDATE EXCLUSIVE MODE NOWAIT
"""
_ASK_AGAIN_SECONDS: Final = 0.2

_NO_LIMITS: Final = ("SET statement_timeout = 0", "SET lock_timeout = 0")


async def build_indexes(connection: "asyncpg.Connection[asyncpg.Record]", url: str) -> None:
    """Build the indexes that are missing; drop first what a failed build has left. Harmless to repeat.

    Returns when they are built, also where another server is building them. `connection` is closed after that by its
    owner: its limits are lifted. Raises asyncpg's errors.
    """
    if not await _missing(connection):
        return
    async with _only_builder(url):
        for statement in _NO_LIMITS:
            await connection.execute(statement)
        for name, left_behind in (await _missing(connection)).items():
            if left_behind:
                await connection.execute(f"DROP INDEX CONCURRENTLY {name}")
            await connection.execute(f"CREATE INDEX CONCURRENTLY {name} {INDEXES[name]}")


async def _missing(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, bool]:
    """The indexes that cannot be used, and of each whether something of that name is there."""
    found = {row["name"]: row["valid"] for row in await connection.fetch(_FIND)}
    return {name: name in found for name in INDEXES if not found.get(name)}


@asynccontextmanager
async def _only_builder(url: str) -> AsyncIterator[None]:
    """Inside, nobody else builds: a second builder would drop the index that is being built.

    Another connection holds the lock in a transaction, because a build cannot run in one. It is a lock on a table. It
    is asked for again and again, and never waited for: a build waits for every transaction that has a snapshot, and a
    statement that waits for a lock has one.
    """
    guard = await Connector(url).open(timeout=5, statement_cache_size=0)
    try:
        while not await _locked(guard):  # noqa: ASYNC110 - what is waited for is another process
            await asyncio.sleep(_ASK_AGAIN_SECONDS)
        yield
    finally:
        await guard.close(timeout=1)


async def _locked(guard: "asyncpg.Connection[asyncpg.Record]") -> bool:
    """Whether the lock is held, until the connection is closed."""
    transaction = guard.transaction()
    await transaction.start()
    try:
        await guard.execute(_LOCK)
    except asyncpg.LockNotAvailableError:
        await transaction.rollback()
        return False
    return True
