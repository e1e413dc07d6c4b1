"""The one account of time: when the call being served ends, and what each step of it may take.

All figures are seconds and upper bounds. No step outlasts the one above it, so whoever waits is told by the one below:

    client    |----------------------------------------------------------|  6     CLIENT, the gateway's too
    call      |------------------------------------------------|            5     CALL, or the client's where less
    queue     |-----|                                                             until its batch leaves
    batch           |------------------------------------------|                  until its last caller leaves
    acquire         |--|                                                    1     ACQUIRE, or half of what remains
      host          |-|                                                     0.3   HEAD_START, then another is tried too
    statement          |-----------------------------------|                      what remains but RESERVE, or half
    release                                                |--|             0.25  RELEASE

A call that goes alone takes the last three steps within its own time, a batch within the time of the call in it that
has most. BEGIN, COMMIT and ROLLBACK belong to the statement, and each has at most 2 s (TRANSACTION). Behind all of it
PostgreSQL ends a statement after 5 s and a wait for a lock after 1 s: the role's defaults, which `readstate migrate
--role-defaults` sets.

Three checks live outside of calls: readiness gives the database 1 s (READINESS), the watch for a fail-over gives the
primary 0.5 s (PRIMARY), and the gateway gives the server's health 2 s (GATEWAY_READINESS).

When a call ends is a context variable, because every layer below a handler needs it and none should have to pass it on.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

CLIENT_SECONDS: Final = 6.0
"""What our clients and the gateway give a call. The server ends every call sooner, so its own answer comes first."""

CALL_SECONDS: Final = 5.0
"""What one call may take, also where its client allows more or names no deadline."""

SLOW_SECONDS: Final = 0.1
"""From here on a batch's statement is slow, and the next batch waits for more calls."""

GATHER_SECONDS: Final = 0.25
"""How long it waits at most; otherwise for a tenth of the statement's time."""

PATIENCE_SECONDS: Final = 0.1
"""How long calls wait for one of two batches to end before a third leaves. A fourth leaves after twice the time, and so
on: with statements of 4 s, six batches in flight let no call wait longer than the 0.7 s that it can spare."""

LOCK_SECONDS: Final = 0.1
"""How long a part of a batch that was split waits for a lock. The role's second is for whoever goes alone."""

DRAIN_SECONDS: Final = 1.0
"""What a server that ends gives batches whose callers have left."""

ACQUIRE_SECONDS: Final = 1.0
"""Bounds taking a connection from the pool, which may have to open it first: with TLS and a password that takes seven
round trips, and a whole pool is opened at once after its connections were lost."""

HEAD_START_SECONDS: Final = 0.3
"""What a host of the database has for itself, before the next one is tried beside it. Its own attempt goes on: over a
distance, with TLS and a password, a connection takes longer."""

RESERVE_SECONDS: Final = 0.3
"""What a statement leaves of the call's time, for giving its connection back and telling the caller."""

RELEASE_SECONDS: Final = 0.25
"""Bounds giving a connection back. With a stalled server `pool.fetch(timeout=…)` was still stuck after 9 s in the
release; bounded, a call was free after 1.25 s."""

TRANSACTION_SECONDS: Final = 2.0
"""Bounds BEGIN, COMMIT and ROLLBACK, which the driver sends by itself: the end of a call must not wait for a server
that has stalled."""

READINESS_SECONDS: Final = 1.0
"""What the database has to answer the readiness check."""

PRIMARY_SECONDS: Final = 0.5
"""What the primary has to answer, before another host is looked for. One that is only slow is not left: no other host
takes writes then."""

GATEWAY_READINESS_SECONDS: Final = 2.0
"""What the server has to tell the gateway its health."""

_ends_at: ContextVar[float] = ContextVar("readstate_deadline")


def start(seconds: float) -> None:
    """Bound the rest of this task by `seconds` from now, and never by more than `CALL_SECONDS`."""
    _ends_at.set(time.monotonic() + min(seconds, CALL_SECONDS))


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Bound what runs inside by `seconds` from now, and never by more than `CALL_SECONDS`."""
    token = _ends_at.set(time.monotonic() + min(seconds, CALL_SECONDS))
    try:
        yield
    finally:
        _ends_at.reset(token)


def ends_at() -> float:
    """When time is up, on the clock of `time.monotonic`; in `CALL_SECONDS` where no call is being served."""
    ends_at = _ends_at.get(None)
    return time.monotonic() + CALL_SECONDS if ends_at is None else ends_at


def remaining() -> float:
    """Seconds left, negative when time is up; `CALL_SECONDS` where no call is being served."""
    return ends_at() - time.monotonic()


def acquire_seconds(remaining: float) -> float:
    """What of the remaining time taking a connection may use."""
    return min(ACQUIRE_SECONDS, remaining / 2)


def statement_seconds(remaining: float) -> float:
    """What of the remaining time a statement may use: all but the reserve. Where little remains it is half of that, or
    a client with a deadline of 0.3 s would never be served."""
    return remaining - min(RESERVE_SECONDS, remaining / 2)
