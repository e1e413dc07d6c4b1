"""What a client may take of a listener."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    connections: int = 1000
    """Open connections. One more is answered 503 and closed."""
    framing_bytes: int = 64 << 10
    """Bytes of a request line with its headers. Also of a chunk's size line, and of the trailers."""
    arrival_seconds: float = 30.0
    """Time that a request has to arrive, its body included."""
    unread_seconds: float = 30.0
    """Time after which a client is closed that reads nothing of what it was sent."""
    idle_seconds: int = 75
    """Time that a connection stays open without a request. It is longer than in most proxies, so the proxy closes."""
