"""A Citus cluster, whose coordinator CITUS_URL names, as a server on which each test has a database of its own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg

from readstate.store.citus import distribute
from readstate.store.migrate import migrate
from tests.servers import PostgresServer

NODES = "SELECT nodename, nodeport, groupid = 0 AS coordinates, shouldhaveshards FROM pg_dist_node ORDER BY groupid"


@dataclass(frozen=True)
class CitusCluster(PostgresServer):
    """Its nodes are those that the database of the URL knows."""

    @asynccontextmanager
    async def copied(self, template: str) -> AsyncIterator[str]:
        """As PostgresServer.copied. Nothing is copied: Citus does not let its databases be templates."""
        name = f"test_{uuid4().hex}"
        nodes = await _fetch(self.url, NODES)
        async with AsyncExitStack() as stack:
            for node in nodes:
                url = _on(self.url, f"{node['nodename']}:{node['nodeport']}", "")
                await stack.enter_async_context(_database(url, name))
            url = _on(self.url, "", name)
            for node in nodes:
                await _introduce(url, node)
            if template == self.template:
                await migrate(url)
                await distribute(url)
            yield url


@asynccontextmanager
async def _database(server_url: str, name: str) -> AsyncIterator[None]:
    await _fetch(server_url, f"CREATE DATABASE {name}", quiet=True)
    try:
        await _fetch(_on(server_url, "", name), "CREATE EXTENSION citus")
        yield
    finally:
        await _fetch(server_url, f"DROP DATABASE {name} WITH (FORCE)", quiet=True)


async def _introduce(url: str, node: asyncpg.Record) -> None:
    where = node["nodename"], node["nodeport"]
    known = "SELECT citus_set_coordinator_host($1, $2)" if node["coordinates"] else "SELECT citus_add_node($1, $2)"
    await _fetch(url, known, *where)
    shards = "SELECT citus_set_node_property($1, $2, 'shouldhaveshards', $3)"
    await _fetch(url, shards, *where, node["shouldhaveshards"])


async def _fetch(url: str, statement: str, *args: object, quiet: bool = False) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        if quiet:  # each node is asked itself
            await connection.execute("SET citus.enable_ddl_propagation = off")
        return await connection.fetch(statement, *args)
    finally:
        await connection.close()


def _on(url: str, host: str, database: str) -> str:
    """The URL with another host or another database."""
    parts = urlsplit(url)
    account, _, before = parts.netloc.rpartition("@")
    netloc = "@".join(part for part in (account, host or before) if part)
    return urlunsplit(parts._replace(netloc=netloc, path=f"/{database}" if database else parts.path))
