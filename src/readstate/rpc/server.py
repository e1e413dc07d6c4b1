"""The gRPC server: options, port, and the two halves of its end."""

import math
import socket
from typing import Final

import grpc

from readstate.config import ServerSettings
from readstate.errors import StartupError
from readstate.rpc.grpcio import GrpcioServer
from readstate.rpc.interceptors import Limiter
from readstate.rpc.tls import server_credentials

LARGEST_MESSAGE: Final = 1 << 20
METADATA_SOFT: Final = 16 << 10
METADATA_HARD: Final = 32 << 10
"""With its defaults grpcio rejects some calls with metadata over 8 KiB, at random. A token alone may have 8 KiB.
docs/decisions/0018-floods.md says what more would cost."""
PENDING_CALLS: Final = 10_000
"""Above its own limit, 1000 to 3000, grpc-core answers calls that we have not seen yet, health's too, with a bare
CANCELLED. To refuse calls is the limiter's work. Each that waits takes 17 KB or more, also one that its client has
reset. docs/decisions/0018-floods.md has the measurement."""
DEFAULT_CONNECTION_AGE: Final = 1800


def options(settings: ServerSettings) -> list[tuple[str, int]]:
    """Options of grpc-core. Its header grpc/impl/channel_arg_names.h explains each."""
    # Rounded up: 0 would mean never.
    age = math.ceil(1000 * _connection_age(settings))
    return [
        # A port in use must be an error. grpcio would share it, and say nothing.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", LARGEST_MESSAGE),
        ("grpc.max_metadata_size", METADATA_SOFT),
        ("grpc.absolute_max_metadata_size", METADATA_HARD),
        ("grpc.max_concurrent_streams", settings.max_concurrent_streams),
        # On, it refuses a new call while an ended one has not been taken apart yet. A Go client with 100 callers on one
        # connection then found three of four calls UNAVAILABLE.
        ("grpc.http.overload_protection", 0),
        # src/core/server/server.h names these two.
        ("grpc.server.max_pending_requests", PENDING_CALLS),
        ("grpc.server.max_pending_requests_hard_limit", PENDING_CALLS),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        *([("grpc.max_connection_age_ms", age), ("grpc.max_connection_age_grace_ms", 10_000)] if age else []),
    ]


def _connection_age(settings: ServerSettings) -> float:
    if settings.max_connection_age is not None:
        return settings.max_connection_age
    return DEFAULT_CONNECTION_AGE if settings.engine == "grpcio" else 0


def create(settings: ServerSettings, limiter: Limiter | None = None) -> grpc.aio.Server:
    """A server of the engine that the settings choose, which does not listen yet.

    An engine that can asks `limiter` before anything else is done for a call.

    Raises:
        StartupError: the engine is not installed.
    """
    if settings.engine == "grpcio":
        return GrpcioServer(options(settings))  # type: ignore[return-value]  # the stubs do not know its base
    try:
        from readstate.rpc.native import NativeServer
    except ImportError as error:
        raise StartupError("READSTATE_ENGINE=native needs pip install 'readstate[native]'") from error
    return NativeServer(limiter, options=options(settings))


def bind(server: grpc.aio.Server, settings: ServerSettings) -> int:
    """Claim the port, with TLS where it is configured; returns the port.

    Raises:
        StartupError: the address cannot be bound, or a file of the TLS settings cannot be read.
    """
    credentials = server_credentials(settings)
    try:
        if credentials is None:
            return server.add_insecure_port(settings.listen)
        return server.add_secure_port(settings.listen, credentials)
    except RuntimeError as error:
        raise StartupError(f"READSTATE_LISTEN: cannot listen on {settings.listen}: {_why(settings.listen)}") from error


def _why(address: str) -> str:
    """Why the address cannot be bound. gRPC does not say, so this tries it again."""
    host, _, port = address.rpartition(":")
    try:
        for family, kind, protocol, _, place in socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM):
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(place)
    except OSError as error:
        return error.strerror or str(error)
    return "is the port in use?"
