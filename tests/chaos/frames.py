"""HTTP/2 as bytes (RFC 9113): what no client library would send."""

import struct
from collections.abc import Sequence
from typing import Final

from hpack import Encoder, NeverIndexedHeaderTuple

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA: Final = 0
HEADERS: Final = 1
RST_STREAM: Final = 3
SETTINGS: Final = 4
PING: Final = 6
CONTINUATION: Final = 9

END_STREAM: Final = 1
END_HEADERS: Final = 4

CANCEL: Final = 8
"""The error code of a RST_STREAM."""
LARGEST_STREAM: Final = 2**31 - 1
LARGEST_FRAME: Final = 16_384
"""Bytes of payload that every peer takes."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def header_block(headers: Sequence[tuple[str, str]]) -> bytes:
    """Headers that leave nothing in the decoder's table, so that the same bytes may be sent again and again."""
    return bytes(Encoder().encode([NeverIndexedHeaderTuple(name, value) for name, value in headers]))


def call_headers(path: str, *more: tuple[str, str]) -> bytes:
    """The header block of a gRPC call."""
    pseudo = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost")]
    return header_block([*pseudo, ("content-type", "application/grpc"), ("te", "trailers"), *more])


HELLO: Final = PREFACE + frame(SETTINGS, 0, 0)
"""What a client begins with."""
