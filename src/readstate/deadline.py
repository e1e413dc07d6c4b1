"""The time by which the call being served must have ended.

A context variable, because every layer below a handler needs it and none should have to pass it on.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

CALL_SECONDS: Final = 5.0
"""Seconds that one call may take at most, also where its client allows more or names no deadline."""

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


def remaining() -> float:
    """Seconds left, negative when time is up; `CALL_SECONDS` where no call is being served."""
    ends_at = _ends_at.get(None)
    return CALL_SECONDS if ends_at is None else ends_at - time.monotonic()
