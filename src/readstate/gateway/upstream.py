"""The gRPC server, seen from its client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from readstate import channels, deadline
from readstate.config import GatewaySettings, read_file
from readstate.gateway import problems, unary
from readstate.gateway.request import Request
from readstate.wake_ups import all_wake_ups

LARGEST_REPLY: Final = 16 << 20
"""Bytes: twice what a hundred events with the largest payloads take."""

_SERVICE_CONFIG: Final = {
    "methodConfig": [
        {
            # Every method called here is safe to repeat.
            "name": [
                {"service": "readstate.v1.SystemEventService"},
                {"service": "readstate.v1.NotificationService"},
                {"service": "readstate.v1.UnreadService"},
            ],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 3,
                # CANCELLED is what a call is told that reaches a server just as it stops.
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        }
    ],
    # A server that fails more calls than it answers is not asked three times for each.
    "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.5},
}
_OPTIONS: Final = [
    # The server is ours, never behind the proxy that the environment names for the outside.
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", LARGEST_REPLY),
    # Channels of a process would share connections.
    ("grpc.use_local_subchannel_pool", 1),
    # A server that vanished without a word is noticed.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
]


class Upstream:
    """One connection, shared by all requests."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self._health = health_pb2_grpc.HealthStub(channel)

    async def call(self, method: Any, message: Message, request: Request) -> Any:
        """Call a method of a stub for a request; returns its reply.

        Raises:
            Problem: what the client is to be told instead of a success.
        """
        return (await _called(method, message, request.metadata())).message

    async def call_once(self, method: Any, message: Message, request: Request) -> tuple[Any, dict[str, str]]:
        """As `call`, with the idempotency key; returns also the headers that tell a replay."""
        reply = await _called(method, message, (*request.metadata(), *request.idempotency_keys()))
        replayed = ("idempotent-replayed", "true") in reply.trailing_metadata
        return reply.message, {"idempotent-replayed": "true"} if replayed else {}

    async def is_serving(self) -> bool:
        """Whether the server says that it is ready."""
        try:
            seconds = deadline.GATEWAY_READINESS_SECONDS
            reply = await self._health.Check(health_pb2.HealthCheckRequest(), timeout=seconds)  # type: ignore[attr-defined]
        except grpc.aio.AioRpcError:
            return False
        return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)


async def _called(method: Any, message: Message, metadata: tuple[tuple[str, str], ...]) -> unary.Reply:
    try:
        return await unary.call(method, message, seconds=deadline.CLIENT_SECONDS, metadata=metadata)
    except grpc.aio.AioRpcError as error:
        raise problems.from_grpc(error) from error


@asynccontextmanager
async def connected(settings: GatewaySettings) -> AsyncIterator[Upstream]:
    """A connection that is made on the first call, and again whenever it is lost.

    Raises:
        StartupError: a file of the TLS settings cannot be read.
    """
    with all_wake_ups(asyncio.get_running_loop()):
        channel = open_channel(settings)
    async with channel:
        yield Upstream(channel)


def open_channel(settings: GatewaySettings) -> grpc.aio.Channel:
    """A channel with connections of its own. Raises StartupError as `connected`."""
    credentials = _credentials(settings)
    options = [*channels.options(settings.upstream, _SERVICE_CONFIG), *_OPTIONS]
    if credentials is None:
        return grpc.aio.insecure_channel(settings.upstream, options)
    return grpc.aio.secure_channel(settings.upstream, credentials, options)


def _credentials(settings: GatewaySettings) -> grpc.ChannelCredentials | None:
    files = settings.upstream_ca, settings.upstream_key, settings.upstream_cert
    if not settings.upstream_tls and not any(files):
        return None
    names = "READSTATE_UPSTREAM_CA", "READSTATE_UPSTREAM_KEY", "READSTATE_UPSTREAM_CERT"
    contents = (read_file(path, name) if path else None for path, name in zip(files, names, strict=True))
    return grpc.ssl_channel_credentials(*contents)
