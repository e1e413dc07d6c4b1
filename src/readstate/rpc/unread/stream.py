"""One stream: what it sends when, and what ends it."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from readstate.errors import ExpiredToken, StreamUnread
from readstate.model import InboxState
from readstate.rpc.call import Context
from readstate.rpc.unread.watched import Watched
from readstate.v1 import unread_pb2 as pb

PAUSE_SECONDS: Final = 0.1
"""After a message: changes that come meanwhile share the next one."""
HEARTBEAT_SECONDS: Final = 25.0
UNREAD_SECONDS: Final = 30.0
"""How long a client may leave a message unread that there is no more room for."""


async def tell(
    watched: Watched, context: Context, render: Callable[[InboxState], pb.WatchUnreadResponse], expires_at: float
) -> None:
    """Tell the member's states until the stream ends. `expires_at` is in seconds since the epoch.

    Raises:
        ExpiredToken: the token has expired.
        StreamUnread: the client does not read.
        ReadStateError: what ends all streams of the member.
    """
    # A stream takes as little memory as it can: one coroutine and one timer. What was told is kept as bytes, because a
    # message takes half a kilobyte.
    told: bytes | None = None
    while (remaining := expires_at - time.time()) > 0:
        if watched.ended is not None:
            raise watched.ended
        assert watched.state is not None, "whoever watches a member has asked for the state"  # noqa: S101
        if (data := render(watched.state).SerializeToString()) != told:
            await _write(context, render(watched.state), remaining)
            told = data
            await asyncio.sleep(PAUSE_SECONDS)
        elif not await watched.changes.within(min(HEARTBEAT_SECONDS, remaining)) and remaining > HEARTBEAT_SECONDS:
            told = None
    raise ExpiredToken


async def _write(context: Context, message: pb.WatchUnreadResponse, remaining: float) -> None:
    try:
        async with asyncio.timeout(min(UNREAD_SECONDS, remaining)):
            await context.write(message)
    except TimeoutError:
        raise (ExpiredToken if remaining < UNREAD_SECONDS else StreamUnread) from None
