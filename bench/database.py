"""The private PostgreSQL: durable commits, one organisation, many events, callers who have read nothing."""

import asyncio
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import asyncpg

from bench.plan import BUILD, EVENTS
from readstate.dev import embedded
from readstate.store.migrate import migrate
from readstate.store.role_defaults import set_role_defaults

NAME: Final = "bench"
CALLERS: Final = 2_000
"""Members who have read nothing: each measurement takes one of its own."""

_MEMORY: Final = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")

SETTINGS: Final = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "300",
    "shared_buffers": f"{min(_MEMORY // 4, 2 << 30) >> 20}MB",
    # Checkpoints and vacuum come between the rounds, when we ask for them: by themselves they would come in one
    # contender's measurement and not in the next one's.
    "max_wal_size": "16GB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
}


@dataclass(frozen=True)
class Caller:
    user_id: str
    member_key: int


class Database:
    """What the benchmark itself asks of the database, between the measurements."""

    def __init__(self, runner: asyncio.Runner, url: str, connection: "asyncpg.Connection[Any]") -> None:
        self.url = url
        self._runner = runner
        self._connection = connection
        self._callers: Iterator[Caller] = iter(())
        self.org_key = 0

    def execute(self, statement: str, *args: object) -> None:
        self._runner.run(self._connection.execute(statement, *args))

    def value(self, statement: str, *args: object) -> Any:
        return self._runner.run(self._connection.fetchval(statement, *args))

    def rows(self, statement: str, *args: object) -> list[Any]:
        return self._runner.run(self._connection.fetch(statement, *args))

    def load(self) -> None:
        """Make the schema and the data."""
        self._runner.run(migrate(self.url))
        self._runner.run(set_role_defaults(self.url))
        self.org_key = self.value("INSERT INTO organization (org_id) VALUES ('bench') RETURNING org_key")
        self.execute(
            """
            INSERT INTO system_event (org_key, seq, event_id, type, title, payload, occurred_at)
            SELECT $1::int, n, n, 'bucket.created', 'Bucket number ' || n || ' was created',
                   jsonb_build_object('bucket_id', n, 'region', 'eu-central'), now()
              FROM generate_series(1, $2::int) n""",
            self.org_key,
            EVENTS,
        )
        self.execute(
            "INSERT INTO event_stream (org_key, last_seq, last_event_id) VALUES ($1, $2::int, $2::int)",
            self.org_key,
            EVENTS,
        )
        members = """INSERT INTO member (user_id, org_key) SELECT 'caller-' || n, $1 FROM generate_series(1, $2) n
                     RETURNING user_id, member_key"""
        self._callers = iter([Caller(*row) for row in self.rows(members, self.org_key, CALLERS)])
        self.settle()

    def settle(self) -> None:
        """Leave no work over for a measurement."""
        self.execute("VACUUM (ANALYZE)")
        self.execute("CHECKPOINT")

    def caller(self) -> Caller:
        """A member who has read nothing yet."""
        return next(self._callers)

    def marks(self, member_keys: Sequence[int]) -> int:
        """How many marks these members have."""
        return int(self.value("SELECT count(*) FROM read_mark WHERE member_key = ANY ($1::bigint[])", member_keys))

    @contextmanager
    def copied(self, name: str) -> Iterator["Database"]:
        """A copy, in the same server. Nobody else may be connected to this one."""
        self.execute(f"CREATE DATABASE {name} TEMPLATE {NAME} STRATEGY file_copy")
        with _connected(self._runner, self.url, name) as copy:
            copy.org_key = self.org_key
            yield copy

    @property
    def environment(self) -> dict[str, str]:
        """Where the database is, in the variables that every driver reads."""
        host = parse_qs(urlsplit(self.url).query)["host"][0]
        return {"PGHOST": host, "PGPORT": "5432", "PGUSER": "postgres", "PGDATABASE": NAME}


@contextmanager
def running_database() -> Iterator[Database]:
    """Start the server, make an empty database, and on leaving remove both. Clears away what a killed run left."""
    folder = embedded.data_folder(BUILD)
    try:
        with embedded.postgres(folder, settings=SETTINGS) as url, asyncio.Runner() as runner:
            with _connected(runner, url, "postgres") as server:
                for (left_over,) in server.rows("SELECT datname FROM pg_database WHERE datname LIKE 'bench%'"):
                    server.execute(f"DROP DATABASE {left_over}")
                server.execute(f"CREATE DATABASE {NAME}")
            with _connected(runner, url, NAME) as database:
                yield database
    finally:
        _remove(folder)


@contextmanager
def _connected(runner: asyncio.Runner, url: str, name: str) -> Iterator[Database]:
    url = urlsplit(url)._replace(path=f"/{name}").geturl()
    connection = runner.run(asyncpg.connect(url, command_timeout=None))
    try:
        # Migrations give the role a statement timeout, which is right for calls, not for loading.
        runner.run(connection.execute("SET statement_timeout = 0"))
        yield Database(runner, url, connection)
    finally:
        runner.run(connection.close())


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.with_name(folder.name + ".lock").unlink(missing_ok=True)
