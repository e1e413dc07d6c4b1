"""How a call travels: the channel, what is retried, and the token."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import grpc
from google.protobuf.message import Message

from readstate import errors
from readstate.client.failures import failure
from readstate.v1 import notifications_pb2

TIMEOUT: Final = 6.0
"""Seconds. The server ends every call after 5, so its own answer comes first."""

Token: TypeAlias = str | Callable[[], Awaitable[str]]
"""A bearer token, or a function that fetches one."""

# Only what is safe to repeat: an event without an id of its own would be recorded twice.
_REPEATABLE: Final = (
    {"service": "readstate.v1.SystemEventService", "method": "MarkRead"},
    {"service": "readstate.v1.SystemEventService", "method": "MarkUnread"},
    {"service": "readstate.v1.DirectoryService"},
    *(
        {"service": "readstate.v1.NotificationService", "method": method.name}
        for method in notifications_pb2.DESCRIPTOR.services_by_name["NotificationService"].methods
        if method.name != "CreateNotifications"
    ),
)
_RETRY: Final = {
    "maxAttempts": 4,
    "initialBackoff": "0.1s",
    "maxBackoff": "1s",
    "backoffMultiplier": 2,
    # CANCELLED is what a call is told that reaches a server just as it stops.
    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
}
_SERVICE_CONFIG: Final = json.dumps({"methodConfig": [{"name": _REPEATABLE, "retryPolicy": _RETRY}]})


def open_channel(
    target: str,
    *,
    tls: bool = False,
    root_certificates: bytes | None = None,
    client_pair: tuple[bytes, bytes] | None = None,
) -> grpc.aio.Channel:
    """A channel that retries what is safe to repeat; in the clear unless it is told something about TLS."""
    options = [
        ("grpc.service_config", _SERVICE_CONFIG),
        # Channels of a process share connections, and a new one would wait out the back-off of one long closed.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if tls or root_certificates or client_pair:
        credentials = grpc.ssl_channel_credentials(root_certificates, *(client_pair or (None, None)))
        return grpc.aio.secure_channel(target, credentials, options)
    return grpc.aio.insecure_channel(target, options)


class Caller:
    """Makes calls with a token that it renews, and raises our errors."""

    def __init__(self, token: Token, timeout: float) -> None:
        self._fetch_token = None if isinstance(token, str) else token
        self._token = token if isinstance(token, str) else None
        self._fetching = asyncio.Lock()
        self._timeout = timeout

    async def call(
        self, method: Any, request: Message, timeout: float | None, idempotency_key: str | None = None
    ) -> Any:
        key = () if idempotency_key is None else (("idempotency-key", idempotency_key),)
        token = await self._renewed(None) if self._token is None else self._token
        try:
            return await self._send(method, request, timeout, token, key)
        except errors.ExpiredToken:
            if self._fetch_token is None:
                raise
        return await self._send(method, request, timeout, await self._renewed(token), key)

    async def _send(
        self, method: Any, request: Message, timeout: float | None, token: str, key: tuple[tuple[str, str], ...]
    ) -> Any:
        seconds = self._timeout if timeout is None else timeout
        try:
            return await method(request, timeout=seconds, metadata=(("authorization", f"Bearer {token}"), *key))
        except grpc.aio.AioRpcError as error:
            raise failure(error) from error

    async def _renewed(self, old: str | None) -> str:
        """Another token than `old`. Calls that find the same token expired share one new one."""
        async with self._fetching:
            if self._token is None or self._token == old:
                assert self._fetch_token is not None  # noqa: S101 - or there would be a token
                self._token = await self._fetch_token()
            return self._token
