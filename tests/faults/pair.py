"""Two PostgreSQLs, of which the second follows the first and can take its place."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from tests.faults.conftest import Postgres
from tests.memory import data_folder
from tests.waiting import until_answered

CAUGHT_UP = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) = 0 FROM pg_stat_replication"
IS_SYNCHRONOUS = "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'"
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

    async def synchronize(self) -> None:
        """From now on a commit is acknowledged when the standby has it."""
        async with connected(self.primary.url) as primary:
            await primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            await primary.execute("SELECT pg_reload_conf()")
            await until_answered(lambda: primary.fetchval(IS_SYNCHRONOUS))

    async def switch_over(self) -> None:
        """Stop the primary in order, promote its standby, and let the one that was stopped follow; synchronously.

        Returns once it follows. Until then the new primary waits for nobody.
        """
        async with connected(self.primary.url) as primary:
            # The shutdown waits for a checkpoint: what is written before, it need not write.
            await primary.execute("CHECKPOINT")
            await primary.execute(f"ALTER SYSTEM SET primary_conninfo = '{self.standby.conninfo}'")
        async with connected(self.standby.url) as standby:
            await standby.execute("ALTER SYSTEM RESET synchronous_standby_names")
            await standby.execute("SELECT pg_reload_conf()")
        await asyncio.to_thread(self.primary.stop)
        await self.promote()
        self.primary, self.standby = self.standby, self.primary
        await asyncio.to_thread(self.standby.start_as_standby)
        await self.synchronize()

    async def promote(self) -> None:
        """Make the standby a primary; return once it is one."""
        async with connected(self.standby.url) as standby:
            assert await standby.fetchval("SELECT pg_promote()")


@contextmanager
def pair() -> Iterator[Pair]:
    """Both, running. The standby follows with a delay of milliseconds."""
    with data_folder("readstate-pair-") as name:
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
