"""Poolers that lose prepared statements, as PgBouncer in transaction mode before 1.21.

The driver prepares each statement once on each connection. Such a pooler then runs it on another connection, where it
does not exist, or where its name means what another server has prepared.
"""

import secrets
from typing import Final

from readstate.errors import StartupError
from readstate.store.connector import Connector, Opened

ROUNDS: Final = 3
ADVICE: Final = (
    "READSTATE_STATEMENT_CACHE_SIZE: must be 0 behind a pooler that loses prepared statements, as PgBouncer before 1.21"
    " or without max_prepared_statements"
)

# A pooler that keeps statements gives them names of its own.
_IS_KNOWN: Final = "SELECT EXISTS (SELECT FROM pg_prepared_statements WHERE name = '{name}')"
_PROCESS: Final = "SELECT pg_backend_pid()"


async def require_kept_statements(connector: Connector) -> None:
    """Look whether connections keep what is prepared on them.

    Raises:
        StartupError: they do not.
        Exception: what the driver raises.
    """
    first = await connector.open(statement_cache_size=0, timeout=5)
    try:
        second = await connector.open(statement_cache_size=0, timeout=5)
        try:
            if await _passes_names_on(first) and await _shares_processes(first, second):
                raise StartupError(ADVICE)
        finally:
            second.terminate()
    finally:
        first.terminate()


async def _passes_names_on(connection: Opened) -> bool:
    # One transaction, so that all of it runs on one connection of the pooler's.
    async with connection.transaction():
        # Held by a name, or the driver would close it before the next statement.
        prepared = await connection.prepare("SELECT 1", name=f"readstate_{secrets.token_hex(8)}")
        name = prepared.get_name()
        known = bool(await connection.fetchval(_IS_KNOWN.format(name=name)))
        if known:
            await connection.execute(f"DEALLOCATE {name}")
    return known


async def _shares_processes(first: Opened, second: Opened) -> bool:
    """Whether two connections meet one process of the database, or one of them meets several."""
    met: tuple[set[int], set[int]] = set(), set()
    for _ in range(ROUNDS):
        for connection, processes in zip((first, second), met, strict=True):
            processes.add(await connection.fetchval(_PROCESS))
    return not met[0].isdisjoint(met[1]) or any(len(processes) > 1 for processes in met)
