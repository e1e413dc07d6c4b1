"""HTTP by hand: requests that no client library would send, and many of them."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

PATIENCE = 60.0
"""Seconds without an answer after which the gateway hangs."""


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes


class Wire:
    """One connection, kept alive."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def send(self, *parts: bytes) -> Reply:
        """Send the parts, one by one, and read the answer."""
        async with asyncio.timeout(PATIENCE):
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            for part in parts:
                writer.write(part)
                await writer.drain()
            reply = await read_reply(reader)
        if reply.headers.get("connection") == "close":
            self.close()
        return reply


async def read_reply(reader: asyncio.StreamReader) -> Reply:
    status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().rstrip().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Reply(int(status.split()[1]), headers, body)


def head(method: str, path: str, headers: Iterable[tuple[str, str | bytes]] = ()) -> bytes:
    """A request line with its headers."""
    lines = [f"{method} {path} HTTP/1.1".encode(), b"host: gateway"]
    lines += [name.encode() + b": " + (v if isinstance(v, bytes) else v.encode()) for name, v in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def chunked(body: bytes, size: int) -> bytes:
    """A body in chunks of `size` bytes, with the end that they need."""
    pieces = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
