"""The connection pool, and the rules of time and repetition that every statement obeys."""

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from typing import Final, TypeAlias, TypeVar

import asyncpg
import structlog
from asyncpg.pool import PoolConnectionProxy

from readstate import deadline
from readstate.config import DatabaseSettings
from readstate.errors import DatabaseUnavailable, OutOfTime, StartupError
from readstate.store.by_organization import Batch, OnOrganizations, by_organization
from readstate.store.connector import Connector
from readstate.store.failover import watching
from readstate.store.failures import (
    DRIVER_ERRORS,
    ConnectionLost,
    DuplicateKey,
    SerializationConflict,
    StatementLost,
    cause_of,
    translate,
)
from readstate.store.plans import DISCARD_PLANS, Plans
from readstate.store.pooler import ADVICE, require_kept_statements
from readstate.store.slow import SlowStatements
from readstate.telemetry.metrics import PoolMetrics
from readstate.telemetry.seldom import Seldom

RETRIES: Final = {ConnectionLost: 1, SerializationConflict: 2, DuplicateKey: 2}

PING: Final = "SELECT 1"

COMPLAINT_SECONDS: Final = 60.0
"""Between two lines of the log that say the same."""

log = structlog.get_logger("readstate.store")

_complains = Seldom(COMPLAINT_SECONDS)
"""Of all pools together: a server has several to the same database."""

# Of this transaction alone: no session state.
LIMIT_LOCKS: Final = "SELECT set_config('lock_timeout', $1, true)"

Row: TypeAlias = asyncpg.Record
T = TypeVar("T")


class Connection(asyncpg.Connection):
    """A connection that is not reset between calls: none of them leaves session state, and the reset cost a third of
    the calls."""

    plans = Plans()
    """Those of the pool. Each pool has a class of its own."""
    slow = SlowStatements()
    """Those of the pool, as its plans."""
    generation = 0
    """Of this connection's plans."""
    metrics = PoolMetrics()
    """Those of the pool, as its plans."""
    batch: Batch = "mixed"
    """What a statement of the pool may hold."""

    def get_reset_query(self) -> str:
        return ""

    async def rows(self, statement: str, *args: object) -> list[Row]:
        """Run one statement within what remains of the call's time.

        Raises:
            OutOfTime: nothing remains; the statement was not sent.
        """
        seconds = deadline.statement_seconds(_time_left())
        if self.generation != self.plans.generation:
            await self.execute(DISCARD_PLANS)
            self.generation = self.plans.generation
        began = time.monotonic()
        try:
            return await self.fetch(statement, *args, timeout=seconds)
        finally:
            seconds = time.monotonic() - began
            self.plans.took(seconds)
            self.slow.took(statement, seconds)
            self.metrics.statement.observe(seconds)

    async def rows_of(
        self, statement: OnOrganizations, org_keys: Sequence[int], *columns: Sequence[object]
    ) -> list[Row]:
        """Run a statement on several organisations: in one go, or once for each where the pool's batches hold only one.
        `columns` have an entry for each entry of `org_keys`. Where these are in order, so are the rows of a
        statement that keeps it. Raises as `rows`."""
        if self.batch == "mixed":
            return await self.rows(statement.together, org_keys, *columns)
        found: list[Row] = []
        for org_key, its_columns in by_organization(org_keys, columns):
            found += await self.rows(statement.each, org_key, *its_columns)
        return found


def _time_left() -> float:
    if (remaining := deadline.remaining()) <= 0:
        raise OutOfTime
    return remaining


_impatient: ContextVar[bool] = ContextVar("readstate_impatient", default=False)


@contextmanager
def impatient() -> Iterator[None]:
    """Work that begins inside waits `LOCK_SECONDS` for a lock instead of the role's time."""
    token = _impatient.set(True)
    try:
        yield
    finally:
        _impatient.reset(token)


_joined: ContextVar[Connection | None] = ContextVar("readstate_transaction", default=None)
"""The connection of the transaction that is open around the work being done, if any."""


class Database:
    """A pool of connections to one PostgreSQL database. Raises only errors of `readstate.errors`."""

    def __init__(
        self, pool: "asyncpg.Pool[Row]", connector: Connector, metrics: PoolMetrics, batch: Batch = "mixed"
    ) -> None:
        self.batch = batch
        """What a statement may hold: see `by_organization`."""
        self._pool = pool
        self._connector = connector
        self._metrics = metrics
        # First come, first served. The driver's own queue is not: whoever asks next may go before those who wait, and
        # of 64 callers some waited a second beside connections that were free again and again.
        self._places = asyncio.Semaphore(pool.get_max_size())
        self._renewed_at = -math.inf

    async def rows(self, statement: str, *args: object, repeatable: bool) -> list[Row]:
        """Run one statement in a transaction of its own. `repeatable` as in `run`."""
        return await self.run(lambda connection: connection.rows(statement, *args), repeatable=repeatable)

    async def run(self, work: Callable[[Connection], Awaitable[T]], *, repeatable: bool) -> T:
        """Do `work` on a connection, within the time of the call being served.

        Work that is `repeatable` is tried again where that may help: once after a lost connection, twice after a
        deadlock. Anything else never is: what broke off may have been committed. A duplicate key has certainly not
        been, so work is tried again with another one. Inside `transaction` work joins that, and is tried again with it.

        Raises:
            DatabaseUnavailable: no connection in time, or lost, or the server cannot serve.
            OutOfTime: the call's time is up.
            Internal: anything else that the driver raised.
        """
        if (connection := _joined.get()) is not None:
            return await work(connection)
        tries = dict.fromkeys(RETRIES, 0)
        while True:
            try:
                return await self._once(work)
            except tuple(RETRIES) as error:
                kind = type(error)
                if not (repeatable or kind is DuplicateKey) or tries[kind] == RETRIES[kind]:
                    raise
                tries[kind] += 1
                await asyncio.sleep(random.uniform(0.005, 0.05))  # noqa: S311 - jitter, not a secret

    async def transaction(self, work: Callable[[], Awaitable[T]], *, repeatable: bool) -> T:
        """Do `work` in one transaction, which takes in whatever `run` and `rows` are asked for inside, by any store.

        `repeatable` and errors as in `run`.
        """

        async def joined(connection: Connection) -> T:
            async with connection.transaction():
                token = _joined.set(connection)
                try:
                    return await work()
                finally:
                    _joined.reset(token)

        return await self.run(joined, repeatable=repeatable)

    @property
    def joined(self) -> bool:
        """Whether a `transaction` is open around the caller, which `run` and `rows` join."""
        return _joined.get() is not None

    async def delete(self, statement: str, *args: object, batch: int) -> int:
        """Run a statement that deletes at most `batch` rows, its last argument, and returns one row for each, until
        nothing is left; return how many. Each batch is a transaction of its own, so that none holds a million locks."""
        total, deleted = 0, batch
        while deleted == batch:
            deleted = len(await self.rows(statement, *args, batch, repeatable=True))
            total += deleted
        return total

    async def _once(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        async with self._connection() as connection:
            try:
                if not _impatient.get():
                    return await work(connection)
                async with connection.transaction():
                    await connection.rows(LIMIT_LOCKS, f"{deadline.LOCK_SECONDS}s")
                    return await work(connection)
            except DRIVER_ERRORS as error:
                translated = translate(error)
                self._metrics.errors.labels(cause_of(translated)).inc()
                if isinstance(translated, ConnectionLost):
                    await self._renew(connection)
                if isinstance(translated, StatementLost) and _complains():
                    log.error("prepared statements are lost", advice=ADVICE)
                raise translated from error

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        taken = await self._acquire()
        try:
            yield taken  # type: ignore[misc]  # a proxy of our Connection
        finally:
            try:
                with suppress(*DRIVER_ERRORS):
                    await self._pool.release(taken, timeout=deadline.RELEASE_SECONDS)
            finally:
                self._places.release()

    async def _acquire(self) -> "PoolConnectionProxy[Row]":
        seconds = deadline.acquire_seconds(_time_left())
        began = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                await self._places.acquire()
                try:
                    return await self._pool.acquire()
                except BaseException:
                    self._places.release()
                    raise
        except DRIVER_ERRORS as error:
            self._metrics.errors.labels("unavailable").inc()
            raise DatabaseUnavailable from error
        finally:
            self._metrics.wait.observe(time.monotonic() - began)

    async def _renew(self, lost: Connection) -> None:
        """Trust neither this connection again nor, as what ended one has often ended all, those that were opened
        before; at most once a second, or a wave of losses would close the connections that replace them."""
        with suppress(asyncpg.InterfaceError):  # the pool has parted with it already
            lost.terminate()
        now = time.monotonic()
        if now - self._renewed_at > 1:
            self._renewed_at = now
            await self._pool.expire_connections()

    async def ping(self) -> None:
        """Ask the database for an answer. Raises as `run`."""
        await self.rows(PING, repeatable=True)

    @property
    def generation(self) -> int:
        """Another number with each connection that was opened: the newest may lead to another server."""
        return self._connector.opened

    @property
    def size(self) -> int:
        """Connections that it may open."""
        return self._pool.get_max_size()

    @property
    def connections(self) -> tuple[int, int]:
        """Connections open, and those of them idle."""
        return self._pool.get_size(), self._pool.get_idle_size()


@asynccontextmanager
async def connect(settings: DatabaseSettings, metrics: PoolMetrics | None = None) -> AsyncIterator[Database]:
    """Open the pool, and close it within a second on leaving. Without `metrics` nobody sees what it counts.

    Raises:
        StartupError: the database cannot be reached, the connection URI is wrong, or a pooler loses statements.
    """
    metrics = metrics or PoolMetrics()
    try:
        connector = Connector(settings.database_url.get_secret_value())
        if settings.statement_cache_size:
            await require_kept_statements(connector)
        pool = await asyncpg.create_pool(
            connect=connector.open,
            min_size=min(2, settings.pool_size),
            max_size=settings.pool_size,
            timeout=5,
            command_timeout=deadline.TRANSACTION_SECONDS,
            connection_class=_own_class(metrics, settings.batch),
            statement_cache_size=settings.statement_cache_size,
            max_cached_statement_lifetime=0,
        )
    except (*DRIVER_ERRORS, ValueError) as error:
        raise unreachable(error) from error
    try:
        async with watching(connector):
            yield Database(pool, connector, metrics, settings.batch)
    finally:
        await _close(pool)


def _own_class(metrics: PoolMetrics, batch: Batch) -> type[Connection]:
    own = {"plans": Plans(), "slow": SlowStatements(), "metrics": metrics, "batch": batch}
    return type("PooledConnection", (Connection,), own)


async def _close(pool: "asyncpg.Pool[Row]") -> None:
    try:
        async with asyncio.timeout(1):
            await pool.close()
    except (TimeoutError, *DRIVER_ERRORS):
        pool.terminate()


def unreachable(error: BaseException) -> StartupError:
    """Why the database cannot be used, in one line that names no credential."""
    return StartupError(f"READSTATE_DATABASE_URL: {_cause(error)}")


def _cause(error: BaseException) -> str:
    match error:
        case TimeoutError():
            return "the database does not answer"
        case asyncpg.PostgresError():
            return f"the database refuses: {error.message if hasattr(error, 'message') else error}"
        case asyncpg.TargetServerAttributeNotMatched():
            return "no host is what target_session_attrs asks for; with several hosts that is read-write"
        case ConnectionRefusedError() | FileNotFoundError():
            return "the database cannot be reached: nothing listens there"
        case asyncpg.InterfaceError() | ValueError():
            return "not a usable connection URI"
        case OSError():
            return f"the database cannot be reached: {error.strerror or type(error).__name__}"
        case _:
            return "the database cannot be reached"
