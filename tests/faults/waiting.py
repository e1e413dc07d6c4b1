"""Waiting for a server to be whole again."""

import asyncio
import time

from readstate.client import ReadState
from readstate.errors import ReadStateError


async def recovered(client: ReadState, *, within: float) -> None:
    """Fails unless a call succeeds in so many seconds."""
    ends_at = time.monotonic() + within
    while True:
        try:
            await client.mark_read([50])
        except ReadStateError:
            assert time.monotonic() < ends_at, "not recovered in time"
            await asyncio.sleep(0.1)
        else:
            return
