"""A call with what no gRPC client would send."""

import socket
from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, StreamEnded, StreamReset

MARK_READ: Final = b"/readstate.v1.SystemEventService/MarkRead"
UNCHECKED: Final = H2Configuration(
    header_encoding=None, validate_outbound_headers=False, normalize_outbound_headers=False
)


def call(port: int, *headers: tuple[bytes, bytes], path: bytes = MARK_READ) -> None:
    """Send one empty message, and wait for the end of the stream or of the connection.

    Raises:
        TimeoutError: nothing has ended within 5 seconds.
    """
    http2 = H2Connection(UNCHECKED)
    http2.initiate_connection()
    pseudo = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"localhost")]
    http2.send_headers(1, [*pseudo, (b"content-type", b"application/grpc"), (b"te", b"trailers"), *headers])
    http2.send_data(1, bytes(5), end_stream=True)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(http2.data_to_send())
        while received := connection.recv(65_536):
            events = http2.receive_data(received)
            if any(isinstance(event, StreamEnded | StreamReset | ConnectionTerminated) for event in events):
                return
