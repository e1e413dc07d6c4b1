"""Starts a greedy organisation: `tests/rpc/neighbour.py`, as a process of its own."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager


@asynccontextmanager
async def greedy(port: int, tokens: Sequence[str], *, in_flight: int, events: int, ids: int = 1) -> AsyncIterator[None]:
    """While inside, the users of these tokens keep calls in flight, each with `ids` of the events 1 to `events`."""
    # In life the greedy one has a machine of its own. Here it would take the cores of server and calm callers.
    process = await asyncio.create_subprocess_exec(
        "nice", sys.executable, "-m", "tests.rpc.neighbour",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    wanted = {"port": port, "tokens": tokens, "in_flight": in_flight, "ids": ids, "events": events}
    try:
        process.stdin.write(json.dumps(wanted).encode())
        process.stdin.write_eof()
        assert await process.stdout.readline()
        yield
    finally:
        process.kill()
        await process.communicate()
