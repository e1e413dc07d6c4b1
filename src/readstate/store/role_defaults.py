"""Defaults of a role in this database, which hold also behind PgBouncer, where startup parameters and SET do not."""

from typing import Final

import asyncpg

from readstate.errors import StartupError
from readstate.store.session import session

# Backstops behind the limits that the service sets itself. Compiling statements that take milliseconds costs more than
# it saves, hence jit. Written only where it differs: two sessions that write the same row collide.
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


async def set_role_defaults(url: str) -> None:
    """Set them for the role that `url` names. Any role may do so for itself. They hold in sessions that begin later.

    Raises:
        StartupError: the database cannot be reached, or refuses.
    """
    async with session(url) as connection:
        try:
            await connection.execute(_ROLE_DEFAULTS)
        except asyncpg.PostgresError as error:
            raise StartupError(f"the role's defaults cannot be set: {error}") from error
