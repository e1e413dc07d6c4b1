"""The private PostgreSQL: durable commits, one organisation, many events, callers who have read nothing."""

import asyncio
import os
import shutil
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs, urlsplit

import asyncpg

from bench.errors import BenchError
from bench.plan import BUILD, EVENTS
from bench.slow_disk import SlowDisk
from readstate.dev import embedded
from readstate.store.read_cursor.sql import MAKE_CURSORS

_T = TypeVar("_T")

NAME: Final = "bench"
ORGANIZATION: Final = "bench"

_MEMORY: Final = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")

SETTINGS: Final = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "400",
    "shared_buffers": f"{min(_MEMORY // 4, 2 << 30) >> 20}MB",
    # Checkpoints and vacuum come between the rounds, when we ask for them: by themselves they would come in one
    # contender's measurement and not in the next one's.
    "max_wal_size": "16GB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
}

# What a member has read: rows, and positions in ranges. The server makes ranges of many rows in the background.
_READ: Final = """
SELECT coalesce(sum(rows + covered), 0)::bigint AS read, coalesce(bool_and(rows + covered = read_count), true) AS agrees
  FROM (SELECT c.read_count,
               (SELECT count(*) FROM read_mark m WHERE m.member_key = c.member_key AND m.org_key = c.org_key) AS rows,
               (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(c.all_read) AS r) AS covered
          FROM read_cursor c WHERE c.org_key = $2 AND c.member_key = ANY ($1::bigint[])) n
"""


@dataclass(frozen=True)
class Caller:
    user_id: str
    member_key: int


class Database:
    """What the benchmark itself asks of the database, between the measurements."""

    def __init__(
        self, runner: asyncio.Runner, url: str, connection: "asyncpg.Connection[Any]", *, postmaster: int
    ) -> None:
        self.url = url
        self.postmaster = postmaster
        self._runner = runner
        self._connection = connection
        self._members = 0
        self.org_key = 0
        self.keeps_cursors = True
        """False of the schema of a release before there were any."""

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run what is asynchronous to its end."""
        return self._runner.run(work)

    def execute(self, statement: str, *args: object) -> None:
        self._runner.run(self._connection.execute(statement, *args))

    def value(self, statement: str, *args: object) -> Any:
        return self._runner.run(self._connection.fetchval(statement, *args))

    def rows(self, statement: str, *args: object) -> list[Any]:
        return self._runner.run(self._connection.fetch(statement, *args))

    def load(self) -> None:
        """Make the data. The schema is there."""
        self.keeps_cursors = bool(self.value("SELECT to_regclass('read_cursor') IS NOT NULL"))
        self.org_key = self.organization(ORGANIZATION, events=EVENTS)
        self.settle()

    def organization(self, org_id: str, *, events: int) -> int:
        """Make an organisation with this many events; returns its key."""
        org_key = int(self.value("INSERT INTO organization (org_id) VALUES ($1) RETURNING org_key", org_id))
        self.execute(
            """
            INSERT INTO system_event (org_key, seq, event_id, type, title, payload, occurred_at)
            SELECT $1::int, n, n, 'bucket.created', 'Bucket number ' || n || ' was created',
                   jsonb_build_object('bucket_id', n, 'region', 'eu-central'), now()
              FROM generate_series(1, $2::int) n""",
            org_key,
            events,
        )
        self.execute(
            "INSERT INTO event_stream (org_key, last_seq, last_event_id) VALUES ($1, $2::int, $2::int)",
            org_key,
            events,
        )
        return org_key

    def settle(self) -> None:
        """Leave no work over for a measurement."""
        self.execute("VACUUM (ANALYZE)")
        self.execute("CHECKPOINT")

    def members(self, number: int, org_key: int) -> list[Caller]:
        """New members, with keys that follow each other."""
        first, self._members = self._members + 1, self._members + number
        statement = """INSERT INTO member (user_id, org_key) SELECT 'caller-' || n, $1
                         FROM generate_series($2::int, $3::int) n ORDER BY n RETURNING user_id, member_key"""
        return [Caller(*row) for row in self.rows(statement, org_key, first, self._members)]

    def callers(self, number: int) -> list[Caller]:
        """New members of the one organisation, who have read nothing yet.

        Their cursors are there, so that no contender has to make any.
        """
        callers = self.members(number, self.org_key)
        if self.keeps_cursors:
            self.execute(MAKE_CURSORS.together, [self.org_key] * number, [caller.member_key for caller in callers])
        return callers

    def marks(self, callers: Sequence[Caller]) -> int:
        """How many events of the one organisation these members have read.

        Raises:
            BenchError: a cursor counts something else.
        """
        keys = [caller.member_key for caller in callers]
        if not self.keeps_cursors:
            return int(self.value("SELECT count(*) FROM read_mark WHERE member_key = ANY ($1::bigint[])", keys))
        ((marks, agrees),) = self.rows(_READ, keys, self.org_key)
        if not agrees:
            raise BenchError("a cursor's read_count is not the number of its marks")
        return int(marks)

    @contextmanager
    def copied(self, name: str) -> Iterator["Database"]:
        """A copy, in the same server. Nobody else may be connected to this one."""
        self.execute(f"CREATE DATABASE {name} TEMPLATE {NAME} STRATEGY file_copy")
        with self._beside(name) as copy:
            copy.org_key = self.org_key
            yield copy

    @contextmanager
    def empty(self, name: str) -> Iterator["Database"]:
        """Another database, in the same server."""
        self.execute(f"CREATE DATABASE {name}")
        with self._beside(name) as database:
            yield database

    @contextmanager
    def _beside(self, name: str) -> Iterator["Database"]:
        with _connected(self._runner, self.url, name, postmaster=self.postmaster) as database:
            yield database

    @property
    def environment(self) -> dict[str, str]:
        """Where the database is, in the variables that every driver reads."""
        parts = urlsplit(self.url)
        host = parse_qs(parts.query)["host"][0]
        return {"PGHOST": host, "PGPORT": "5432", "PGUSER": "postgres", "PGDATABASE": parts.path.removeprefix("/")}


@contextmanager
def running_database(disk: SlowDisk) -> Iterator[Database]:
    """Start the server, make an empty database, and on leaving remove both. Clears away what a killed run left."""
    folder = embedded.data_folder(BUILD)
    try:
        with ExitStack() as stack, asyncio.Runner() as runner:
            with disk.preloaded():
                url = stack.enter_context(embedded.postgres(folder, settings=SETTINGS))
            postmaster = int((folder / "postmaster.pid").read_text().splitlines()[0])
            with _connected(runner, url, "postgres", postmaster=postmaster) as server:
                for (left_over,) in server.rows("SELECT datname FROM pg_database WHERE datname LIKE 'bench%'"):
                    server.execute(f"DROP DATABASE {left_over}")
                with server.empty(NAME) as database:
                    yield database
    finally:
        _remove(folder)


@contextmanager
def _connected(runner: asyncio.Runner, url: str, name: str, *, postmaster: int) -> Iterator[Database]:
    url = urlsplit(url)._replace(path=f"/{name}").geturl()
    connection = runner.run(asyncpg.connect(url, command_timeout=None))
    try:
        # Migrations give the role a statement timeout, which is right for calls, not for loading.
        runner.run(connection.execute("SET statement_timeout = 0"))
        yield Database(runner, url, connection, postmaster=postmaster)
    finally:
        runner.run(connection.close())


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.with_name(folder.name + ".lock").unlink(missing_ok=True)
