"""Two PostgreSQLs, of which the second follows the first and can take its place."""

import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from tests.faults.conftest import Postgres
from tests.waiting import until_answered

CAUGHT_UP = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) = 0 FROM pg_stat_replication"
ALONE = "SELECT count(*) = 0 FROM pg_stat_replication"


@asynccontextmanager
async def connected(url: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """A connection, closed at the end."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@dataclass
class Pair:
    """A primary and its standby."""

    primary: Postgres
    standby: Postgres

    @property
    def url(self) -> str:
        """Both, the primary first."""
        hosts = f"{self.primary.sockets},{self.standby.sockets}"
        return f"postgresql://postgres@/postgres?host={hosts}&port=5432&target_session_attrs=read-write"

    def freeze(self) -> None:
        """The primary says nothing any more. Its sockets still take connections."""
        self.primary.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.primary.signal(signal.SIGCONT)

    async def cut_off(self) -> None:
        """What the primary commits from now on does not reach the standby."""
        async with connected(self.standby.url) as standby:
            await standby.execute("ALTER SYSTEM SET primary_conninfo = ''")
            await standby.execute("SELECT pg_reload_conf()")
        async with connected(self.primary.url) as primary:
            await until_answered(lambda: primary.fetchval(ALONE))

    async def caught_up(self) -> None:
        """Return once the standby has all that the primary has committed."""
        async with connected(self.primary.url) as primary:
            await until_answered(lambda: primary.fetchval(CAUGHT_UP))

    async def promote(self) -> None:
        """Make the standby a primary; return once it is one."""
        async with connected(self.standby.url) as standby:
            assert await standby.fetchval("SELECT pg_promote()")


@contextmanager
def pair() -> Iterator[Pair]:
    """Both, running. The standby follows with a delay of milliseconds."""
    with tempfile.TemporaryDirectory(prefix="readstate-pair-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for part in "one", "two":
            (folder / part).mkdir(mode=0o755)
        primary = Postgres(folder / "one")
        primary.start()
        standby = primary.standby(folder / "two")
        standby.start()
        made = Pair(primary, standby)
        try:
            yield made
        finally:
            made.thaw()
            standby.stop()
            primary.stop()
