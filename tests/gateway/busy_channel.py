"""A client whose loop is busy: `python -m tests.gateway.busy_channel CLIENT PORT CALLS`. CLIENT is `ours` or `library`.

The answers arrive while the loop stands still, and then each of its turns takes 2 ms. Prints after how many turns all
calls have ended. It is a process of its own because the first use of grpc.aio in a loop decides for all later ones.
"""

import asyncio
import sys
import time
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import grpc
import uvloop
from google.protobuf.empty_pb2 import Empty

from readstate import config
from readstate.config import GatewaySettings
from readstate.gateway import unary, upstream

STANDSTILL_SECONDS: Final = 1.0
TURN_SECONDS: Final = 0.002
MOST_TURNS: Final = 10_000


def connection(whose: str, target: str) -> AbstractAsyncContextManager[Any]:
    if whose == "ours":
        return upstream.connected(config.load(GatewaySettings, upstream=target))
    return grpc.aio.insecure_channel(target)


async def main(whose: str, port: int, calls: int) -> None:
    async with connection(whose, f"127.0.0.1:{port}") as connected:
        channel = connected.channel if whose == "ours" else connected
        wait = channel.unary_unary(
            "/test.Busy/Wait", request_serializer=Empty.SerializeToString, response_deserializer=Empty.FromString
        )
        await channel.channel_ready()
        waiting = [asyncio.create_task(unary.call(wait, Empty(), seconds=30, metadata=())) for _ in range(calls)]
        await asyncio.sleep(0)
        time.sleep(STANDSTILL_SECONDS)  # noqa: ASYNC251 - it is to stand still
        turns = 0
        while not all(task.done() for task in waiting) and turns < MOST_TURNS:
            await asyncio.sleep(0)
            time.sleep(TURN_SECONDS)  # noqa: ASYNC251
            turns += 1
        print(turns)
        await asyncio.gather(*waiting)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
