"""One connection outside of any pool: for what is done before a server serves, and for commands."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from readstate.errors import StartupError
from readstate.store.connector import Connector, Opened
from readstate.store.failures import DRIVER_ERRORS
from readstate.store.pool import unreachable

OLDEST_SERVER: Final = 14
"""The oldest PostgreSQL, by its major version."""


@asynccontextmanager
async def session(url: str) -> AsyncIterator[Opened]:
    """A connection to the database, closed on leaving.

    Raises:
        StartupError: it cannot be reached, or is older than PostgreSQL 14.
    """
    try:
        connection = await Connector(url).open(timeout=5, statement_cache_size=0)
    except (*DRIVER_ERRORS, ValueError) as error:
        raise unreachable(error) from error
    try:
        major = connection.get_server_version().major
        if major < OLDEST_SERVER:
            raise StartupError(f"PostgreSQL {major} is too old: {OLDEST_SERVER} or newer is needed")
        yield connection
    finally:
        await connection.close(timeout=1)
