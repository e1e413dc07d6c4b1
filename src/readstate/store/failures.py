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
_SHORT_OF_RESOURCES: Final = (asyncpg.InsufficientResourcesError, asyncpg.LockNotAvailableError)


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
        case _ if isinstance(error, _SHORT_OF_RESOURCES):
            return DatabaseUnavailable()
        case _ if isinstance(error, (*_LOST, OSError)):
            return ConnectionLost()
        case _:
            return Internal()
