"""Spreads the tables over the shards of Citus, by organisation (docs/decisions/0027-citus.md)."""

from typing import Final

import asyncpg

from readstate.errors import StartupError
from readstate.store.migrate import under_lock
from readstate.store.session import session

# Read by statements of every organisation, and small beside the others: whole on every node.
REFERENCE_TABLES: Final = ("organization", "member", "migration_phase")
SHARDED_TABLES: Final = (
    "event_stream",
    "system_event",
    "read_mark",
    "read_cursor",
    "notification_stream",
    "notification",
    "notification_cursor",
    "idempotency_key",
)
"""By `org_key`. Those of one organisation lie on one node."""

_IS_THERE: Final = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')"

_IS_FINISHED: Final = "SELECT EXISTS (SELECT FROM migration_phase WHERE name = 'cursors_finished')"

# Citus takes no identity column of type int. Keys go on where they are.
_KEY_FROM_SEQUENCE: Final = """
DO $$
DECLARE
    next_key bigint;
BEGIN
    IF EXISTS (SELECT FROM pg_attribute
                WHERE attrelid = 'organization'::regclass AND attname = 'org_key' AND attidentity <> '') THEN
        next_key := nextval(pg_get_serial_sequence('organization', 'org_key'));
        ALTER TABLE organization ALTER org_key DROP IDENTITY;
        EXECUTE format('CREATE SEQUENCE organization_org_key_seq AS int START %s', next_key);
        ALTER SEQUENCE organization_org_key_seq OWNED BY organization.org_key;
        ALTER TABLE organization ALTER org_key SET DEFAULT nextval('organization_org_key_seq');
    END IF;
END $$
"""

# Citus hides shards from whoever reads the catalog, at a price for each row of it. The driver reads there what types
# are, on each new connection: that took 6 s, and takes 0.02 s without.
_SHOW_SHARDS: Final = """
DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET citus.override_table_visibility = off', current_database());
END $$
"""

_FIND_DONE: Final = "SELECT logicalrelid::text AS name FROM pg_dist_partition"

_REFERENCE: Final = "SELECT create_reference_table($1::text::regclass)"
_SHARD_FIRST: Final = "SELECT create_distributed_table($1::text::regclass, 'org_key')"
_SHARD: Final = "SELECT create_distributed_table($1::text::regclass, 'org_key', colocate_with => $2)"

# Rows that were there before have been copied. Nobody sees the old ones, but they take their room.
_DROP_OLD_ROWS: Final = "SELECT truncate_local_data_after_distributing_table($1::text::regclass)"


async def distribute(url: str) -> list[str]:
    """Spread the tables that are not spread yet, with what is in them; return their names. No server may run.

    Raises:
        StartupError: the database cannot be reached, has no extension citus or refuses, or the upgrade to read cursors
            is not finished.
    """
    async with session(url) as connection:
        try:
            if not await connection.fetchval(_IS_THERE):
                raise StartupError("the database has no extension citus")
            if not await connection.fetchval(_IS_FINISHED):
                raise StartupError("the upgrade to read cursors is not finished: run `readstate migrate --finish`")
            spread = await under_lock(connection, _distribute)
            for name in spread:
                await connection.execute(_DROP_OLD_ROWS, name)
            return spread
        except asyncpg.PostgresError as error:
            raise StartupError(f"the tables cannot be spread: {error}") from error


async def _distribute(connection: "asyncpg.Connection[asyncpg.Record]") -> list[str]:
    done = {row["name"] for row in await connection.fetch(_FIND_DONE)}
    await connection.execute(_KEY_FROM_SEQUENCE)
    await connection.execute(_SHOW_SHARDS)
    first, *others = SHARDED_TABLES
    for name in REFERENCE_TABLES:
        if name not in done:
            await connection.execute(_REFERENCE, name)
    if first not in done:
        await connection.execute(_SHARD_FIRST, first)
    for name in others:
        if name not in done:
            await connection.execute(_SHARD, name, first)
    return [name for name in (*REFERENCE_TABLES, *SHARDED_TABLES) if name not in done]
