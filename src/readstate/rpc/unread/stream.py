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
    timer = asyncio.timeout(expires_at - time.time())
    try:
        async with timer:
            await _tell(watched, context, render)
    except TimeoutError:
        if timer.expired():
            raise ExpiredToken from None
        raise


async def _tell(watched: Watched, context: Context, render: Callable[[InboxState], pb.WatchUnreadResponse]) -> None:
    told = None
    while True:
        if watched.ended is not None:
            raise watched.ended
        assert watched.state is not None, "whoever watches a member has asked for the state"  # noqa: S101
        message = render(watched.state)
        if message != told:
            await _write(context, message)
            told = message
            await asyncio.sleep(PAUSE_SECONDS)
            continue
        if not await watched.changes.within(HEARTBEAT_SECONDS):
            told = None


async def _write(context: Context, message: pb.WatchUnreadResponse) -> None:
    try:
        async with asyncio.timeout(UNREAD_SECONDS):
            await context.write(message)
    except TimeoutError:
        raise StreamUnread from None
