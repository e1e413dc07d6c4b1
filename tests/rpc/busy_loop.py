"""A server whose loop is busy: `python -m tests.rpc.busy_loop SERVER CALLS`. SERVER is `ours` or `library`.

The calls arrive while the loop stands still, and then each of its turns takes 2 ms. Prints after how many turns all
calls have begun.
"""

import asyncio
import socket
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import grpc
import uvloop

from readstate.rpc.grpcio import GrpcioServer
from tests.chaos.frames import DATA, END_HEADERS, END_STREAM, HEADERS, HELLO, call_headers, frame

STANDSTILL_SECONDS: Final = 0.5
TURN_SECONDS: Final = 0.002
MOST_TURNS: Final = 10_000
CALLS_EACH: Final = 50
"""On one connection."""

SERVERS: Final[dict[str, Callable[[], Any]]] = {
    "ours": lambda: GrpcioServer([]),
    "library": grpc.aio.server,
}


async def main(whose: str, calls: int) -> None:
    begun = 0
    forever = asyncio.Event()

    async def serve(_: bytes, __: Any) -> bytes:
        nonlocal begun
        begun += 1
        await forever.wait()
        return b""

    server = SERVERS[whose]()
    handlers: Any = {"Wait": grpc.unary_unary_rpc_method_handler(serve)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Busy", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    connections = [_connection(port) for _ in range(calls // CALLS_EACH)]
    time.sleep(STANDSTILL_SECONDS)  # noqa: ASYNC251 - it is to stand still
    turns = 0
    while begun < calls and turns < MOST_TURNS:
        await asyncio.sleep(0)
        time.sleep(TURN_SECONDS)  # noqa: ASYNC251
        turns += 1
    print(turns)
    for connection in connections:
        connection.close()
    await server.stop(0)


def _connection(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    block = call_headers("/test.Busy/Wait")
    calls = (
        frame(HEADERS, END_HEADERS, stream, block) + frame(DATA, END_STREAM, stream, bytes(5))
        for stream in range(1, 2 * CALLS_EACH, 2)
    )
    connection.sendall(HELLO + b"".join(calls))
    return connection


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
