"""How grpc-core's thread wakes the event loop of a server or a client of grpc.aio.

The thread puts an event into a queue and writes one byte to a socket. The loop reads one byte in a turn, and handles
all events of the queue. So a busy loop leaves bytes behind. Once 278 of them fill the socket, the thread waits in its
write. From then on it brings one event a turn. A call has four on a server, and one on a client.
"""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final

MOST: Final = 4096
"""Bytes that are read at once."""


@contextmanager
def all_wake_ups(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Around the first use of grpc.aio in a loop, which adds the reader of that socket: it will leave no byte behind.

    If something has used grpc.aio in this loop before, nothing changes.
    """
    add_reader = loop.add_reader

    def add(readable: socket.socket, handle: Callable[..., object], *args: object) -> None:
        add_reader(readable, partial(_handle_all, readable, partial(handle, *args)))

    loop.add_reader = add  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        del loop.add_reader


def _handle_all(readable: socket.socket, handle: Callable[[], object]) -> None:
    # All but the one byte that `handle` reads. Whoever shares the socket may have been faster.
    with suppress(BlockingIOError):
        if (waiting := len(readable.recv(MOST, socket.MSG_PEEK))) > 1:
            readable.recv(waiting - 1)
    handle()
