"""Servers on which each test has a database of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import asyncpg

from readstate.store.migrate import migrate


@dataclass(frozen=True)
class PostgresServer:
    """A server on which `template` is a migrated, empty database."""

    url: str
    template: str = "readstate_template"

    def database(self, name: str) -> str:
        """The URL of this database."""
        return self.url.replace("/postgres?", f"/{name}?")

    async def make_template(self) -> None:
        await self._execute(f"CREATE DATABASE {self.template}")
        await migrate(self.database(self.template))

    @asynccontextmanager
    async def copied(self, template: str) -> AsyncIterator[str]:
        """The URL of a new database, a copy of `template`, dropped at the end."""
        name = f"test_{uuid4().hex}"
        # With FILE_COPY the copy also has what the template's first session has cached of its catalogs.
        await self._execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        try:
            yield self.database(name)
        finally:
            await self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()
