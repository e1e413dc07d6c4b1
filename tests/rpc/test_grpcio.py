"""What the grpcio engine needs of us."""

import asyncio
import sys
from typing import Any

import grpc

from readstate.rpc.grpcio import GrpcioServer

CALLS = 600


async def turns_of(server: str) -> int:
    """Turns of a busy loop until calls have begun that arrived together. See busy_loop.py."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.rpc.busy_loop", server, str(CALLS), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return int(output)


async def test_a_busy_loop_takes_in_many_calls_in_a_turn() -> None:
    # 50 on a quiet machine. With either of the two faults there were 770 to 1,100.
    assert await turns_of("ours") < CALLS / 3


async def test_the_library_alone_takes_in_less_than_one() -> None:
    """Where this fails, the library has mended it: `rpc/grpcio.py` can go."""
    assert await turns_of("library") > CALLS


class Failing(GrpcioServer):
    async def _take_in(self) -> None:
        raise OSError("no calls for you")


async def test_a_server_that_cannot_take_in_calls_ends() -> None:
    server = Failing([])
    server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with asyncio.timeout(30):
        await server.wait_for_termination()


async def test_calls_that_arrive_at_the_end_are_answered_or_may_be_repeated() -> None:
    server = GrpcioServer([])

    async def answer(request: bytes, _: Any) -> bytes:
        await asyncio.sleep(0)
        return request

    handlers: Any = {"Say": grpc.unary_unary_rpc_method_handler(answer)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        say: Any = channel.unary_unary("/test.Echo/Say")
        assert await say(b"hello", timeout=5) == b"hello"
        calls = [asyncio.ensure_future(_ending(say(b"hello", timeout=5))) for _ in range(90)]
        await asyncio.sleep(0.005)
        await server.stop(2)
        assert set(await asyncio.gather(*calls)) <= {b"hello", grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}


async def _ending(call: Any) -> bytes | grpc.StatusCode:
    try:
        reply: bytes = await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return reply
