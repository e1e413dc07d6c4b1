"""A greedy organisation: `python -m tests.rpc.neighbour`, with what it is to do as JSON on stdin.

A process of its own, so that what the calls cost the caller is no part of what is measured. It prints a line once its
calls are in flight, and goes on until it is killed.
"""

import asyncio
import json
import random
import sys
from typing import Final, TypeAlias

import grpc

from readstate.v1 import system_events_pb2 as pb

MARK_READ: Final = "/readstate.v1.SystemEventService/MarkRead"
CHANNELS: Final = 16

Method: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"


async def main() -> None:
    """Keep `in_flight` calls of the users of `tokens` in flight, each with `ids` neighbouring ids of `events`."""
    wanted = json.load(sys.stdin)
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(f"127.0.0.1:{wanted['port']}", options=options) for _ in range(CHANNELS)]
    methods: list[Method] = [channel.unary_unary(MARK_READ) for channel in channels]
    bodies = [_body(wanted["events"], wanted["ids"]) for _ in range(64)]

    async def caller(number: int) -> None:
        method = methods[number % CHANNELS]
        metadata = (("authorization", "Bearer " + wanted["tokens"][number % len(wanted["tokens"])]),)
        while True:
            try:
                await method(random.choice(bodies), metadata=metadata, timeout=5)
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.UNAVAILABLE:  # the server has ended
                    await asyncio.sleep(0.1)

    callers = [asyncio.create_task(caller(number)) for number in range(wanted["in_flight"])]
    await asyncio.sleep(0.5)
    print("in flight", flush=True)
    await asyncio.gather(*callers)


def _body(events: int, ids: int) -> bytes:
    first = random.randint(1, events - ids + 1)
    return pb.MarkReadRequest(event_ids=range(first, first + ids)).SerializeToString()


if __name__ == "__main__":
    asyncio.run(main())
