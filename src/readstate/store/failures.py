"""Driver errors → ours, in one place.

The order of the checks matters: a query's timeout is a TimeoutError, which since Python 3.11 is also an OSError.
"""

from typing import Final

import asyncpg

from readstate.errors import DatabaseUnavailable, Internal, OutOfTime, ReadStateError

DRIVER_ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


class ConnectionLost(DatabaseUnavailable):
    """The connection broke, or its server turned read-only. What was asked may have been committed."""


class SerializationConflict(DatabaseUnavailable):
    """A deadlock or a serialization failure: rolled back, and worth another try."""


class StatementLost(DatabaseUnavailable):
    """A prepared statement is not what it was: nothing was done. See store/pooler.py."""


class DuplicateKey(Internal):
    """A unique key is taken: rolled back, and worth another try where the key is drawn anew."""


class RowLocked(DatabaseUnavailable):
    """Another transaction has held a row for as long as one waits for it: rolled back, and worth another try later."""


class RowRefused(Internal):
    """A value, a constraint or a trigger does not let a row be written: rolled back."""


CAUSED_BY_ROWS: Final = (RowLocked, RowRefused, DuplicateKey, SerializationConflict)
"""Other rows in the same statement are no part of it."""

_LOST: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleSessionTimeoutError,
    # After a fail-over the pool may hold connections to the old primary.
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InterfaceError,
    # "cannot switch to state …": the server's farewell was read between two statements (asyncpg's issue 784).
    asyncpg.InternalClientError,
)
_CONFLICT: Final = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
_OUT_OF_TIME: Final = (asyncpg.QueryCanceledError, TimeoutError)
_REFUSED: Final = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.WithCheckOptionViolationError,
    asyncpg.PLPGSQLError,
)


def translate(error: BaseException) -> ReadStateError:
    """Name what the driver raised."""
    match error:
        case ReadStateError():
            return error
        case _ if isinstance(error, _OUT_OF_TIME):
            return OutOfTime()
        case asyncpg.InvalidSQLStatementNameError() | asyncpg.DuplicatePreparedStatementError():
            return StatementLost()
        case _ if isinstance(error, _CONFLICT):
            return SerializationConflict()
        case asyncpg.UniqueViolationError():
            return DuplicateKey()
        case asyncpg.LockNotAvailableError():
            return RowLocked()
        case asyncpg.InsufficientResourcesError():
            return DatabaseUnavailable()
        case _ if isinstance(error, _REFUSED):
            return RowRefused()
        case _ if isinstance(error, (*_LOST, OSError)):
            return ConnectionLost()
        case _:
            return Internal()


def cause_of(error: BaseException) -> str:
    """One word for what went wrong, for logs and metrics. There are few of them."""
    match error:
        case RowLocked():
            return "lock"
        case RowRefused() | DuplicateKey():
            return "row"
        case SerializationConflict():
            return "conflict"
        case OutOfTime():
            return "slow"
        case ConnectionLost():
            return "lost"
        case DatabaseUnavailable():
            return "unavailable"
        case _:
            return "other"
