"""A stream of states that connects again by itself."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Final

import grpc

from readstate.client.failures import our_errors
from readstate.client.transport import Caller
from readstate.errors import ExpiredToken, Internal, OutOfTime, Overloaded, Unavailable
from readstate.model import InboxState, UnreadState, UnreadSummary
from readstate.v1 import unread_pb2 as pb

QUIET_SECONDS: Final = 60.0
"""Without a message. The server repeats its last one every 25 s, so the connection is dead."""
FIRST_WAIT: Final = 0.2
LONGEST_WAIT: Final = 15.0
"""Seconds between two attempts are chosen at random, up to a bound that doubles from the first to the last."""

_PASSING: Final = (Unavailable, Overloaded, OutOfTime, Internal)
"""What an attempt may fail with, and a later one not."""


async def watch(method: Any, caller: Caller) -> AsyncIterator[InboxState]:
    """The states that `method`, WatchUnread of a stub, tells. Raises what no new attempt would mend."""
    expired: str | None = None
    attempts = 0
    while True:
        token = await caller.token(expired)
        try:
            async with aclosing(_stream(method, token)) as states:
                async for state in states:
                    expired, attempts = None, 0
                    yield state
        except ExpiredToken:
            # The next one is fetched at once. If that has expired too, waiting would not help.
            if not caller.fetches_tokens or expired is not None:
                raise
            expired = token
            continue
        except _PASSING as error:
            if isinstance(error.__context__, grpc.aio.UsageError):
                raise  # the client has been closed
        await asyncio.sleep(random.uniform(0, min(FIRST_WAIT * 2**attempts, LONGEST_WAIT)))  # noqa: S311 - jitter
        attempts = min(attempts + 1, 10)


async def _stream(method: Any, token: str) -> AsyncGenerator[InboxState, None]:
    """The states of one stream, without repetitions."""
    told = None
    call = None
    try:
        with our_errors():
            call = method(pb.WatchUnreadRequest(), metadata=(("authorization", f"Bearer {token}"),))
            while (message := await _next(call)) is not grpc.aio.EOF:
                if message != told:
                    told = message
                    yield _state(message)
    finally:
        if call is not None:
            call.cancel()


async def _next(call: Any) -> Any:
    try:
        async with asyncio.timeout(QUIET_SECONDS):
            return await call.read()
    except TimeoutError:
        raise OutOfTime from None


def _state(message: pb.WatchUnreadResponse) -> InboxState:
    notifications = None
    if message.HasField("notifications"):
        counts = message.notifications
        notifications = UnreadSummary(counts.unseen, counts.unread, counts.version)
    return InboxState(UnreadState(message.unread_count, message.head, message.version), notifications)
