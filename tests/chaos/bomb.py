"""A call with a compressed message that is a thousand times as large once it is not compressed any more."""

import asyncio
import struct
import zlib
from functools import cache
from typing import Final

from grpc import StatusCode
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, Event, ResponseReceived, StreamEnded, StreamReset, TrailersReceived

SECONDS: Final = 30
_ZEROS: Final = bytes(1 << 20)
_NAMES: Final = {str(code.value[0]): code.name for code in StatusCode}


@cache
def gzip_of_zeros(megabytes: int) -> bytes:
    """RFC 1952. Put together from one megabyte, which is the same each time."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packer.compress(_ZEROS)
    packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(_ZEROS) + packer.flush(zlib.Z_FULL_FLUSH)
    check = 0
    for _ in range(megabytes):
        check = zlib.crc32(_ZEROS, check)
    head = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
    return head + block * megabytes + packer.flush() + struct.pack("<II", check, megabytes << 20)


async def explode(port: int, path: str, *, megabytes: int) -> str:
    """Make the call without a token; return the name of its status, or how else it ended, or `none` after 30 s."""
    packed = gzip_of_zeros(megabytes)
    message = struct.pack(">BI", 1, len(packed)) + packed
    http2 = H2Connection(H2Configuration(header_encoding="utf-8"))
    http2.initiate_connection()
    pseudo = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost")]
    http2.send_headers(
        1, [*pseudo, ("content-type", "application/grpc"), ("te", "trailers"), ("grpc-encoding", "gzip")]
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(SECONDS):
            return await _exchange(http2, message, reader, writer)
    except TimeoutError:
        return "none"
    except ConnectionError:
        return "connection ended"
    finally:
        writer.close()


async def _exchange(
    http2: H2Connection, message: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> str:
    ended = ""
    while not ended:
        message = _send(http2, message)
        writer.write(http2.data_to_send())
        await writer.drain()
        received = await reader.read(1 << 16)
        if not received:
            return "connection ended"
        for event in http2.receive_data(received):
            ended = ended or _end(event)
    return ended


def _send(http2: H2Connection, message: bytes) -> bytes:
    """Send as much as the peer's window allows; return what is left."""
    while message and (room := min(http2.local_flow_control_window(1), http2.max_outbound_frame_size)):
        http2.send_data(1, message[:room], end_stream=len(message) <= room)
        message = message[room:]
    return message


def _end(event: Event) -> str:
    match event:
        case ResponseReceived(headers=headers) | TrailersReceived(headers=headers):
            status = {str(name): str(value) for name, value in headers or ()}.get("grpc-status")
            return _NAMES[status] if status is not None else ""
        case StreamReset() | StreamEnded():
            return "reset"
        case ConnectionTerminated():
            return "connection ended"
    return ""
