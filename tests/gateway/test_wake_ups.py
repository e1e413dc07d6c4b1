"""A gateway that is busy does not keep answers waiting inside grpc-core."""

import asyncio
import sys
from typing import Any

import grpc

CALLS = 600


async def turns_of(client: str) -> int:
    """Turns of a busy loop until calls have ended whose answers arrived together. See busy_channel.py."""
    waiting = 0
    all_there = asyncio.Event()

    async def wait(_: bytes, __: Any) -> bytes:
        nonlocal waiting
        waiting += 1
        if waiting == CALLS:
            all_there.set()
        await all_there.wait()
        return b""

    server = grpc.aio.server()
    handlers: Any = {"Wait": grpc.unary_unary_rpc_method_handler(wait)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Busy", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.gateway.busy_channel", client, str(port), str(CALLS)),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    await server.stop(None)
    assert process.returncode == 0
    return int(output)


async def test_a_busy_gateway_takes_many_answers_in_a_turn() -> None:
    assert await turns_of("ours") < CALLS / 10


async def test_the_library_alone_takes_one() -> None:
    """Where this fails, the library has mended it: `gateway/upstream.py` can do without `all_wake_ups`."""
    assert await turns_of("library") > CALLS / 3
