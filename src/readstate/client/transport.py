"""How a call travels: the channel, what is retried, and the token."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, Final, TypeAlias

import grpc
from google.protobuf.message import Message

try:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ModuleNotFoundError:  # a program without OpenTelemetry has no trace to pass on
    _PROPAGATOR = None
else:
    _PROPAGATOR = TraceContextTextMapPropagator()

from readstate import channels, deadline, errors
from readstate.client.failures import our_errors
from readstate.v1 import notifications_pb2, system_events_pb2

TIMEOUT: Final = deadline.CLIENT_SECONDS
"""Seconds that a call has where nobody says otherwise."""

Token: TypeAlias = str | Callable[[], Awaitable[str]]
"""A bearer token, or a function that fetches one. White space around a token does not matter: files end with it."""

# All but what is not safe to repeat: an event without an id of its own would be recorded twice.
_REPEATABLE: Final = (
    {"service": "readstate.v1.DirectoryService"},
    *(
        {"service": service.full_name, "method": method.name}
        for service in (
            system_events_pb2.DESCRIPTOR.services_by_name["SystemEventService"],
            notifications_pb2.DESCRIPTOR.services_by_name["NotificationService"],
        )
        for method in service.methods
        if method.name not in ("RecordSystemEvents", "CreateNotifications")
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
_SERVICE_CONFIG: Final = {"methodConfig": [{"name": _REPEATABLE, "retryPolicy": _RETRY}]}


def open_channel(
    target: str,
    *,
    tls: bool = False,
    root_certificates: bytes | None = None,
    client_pair: tuple[bytes, bytes] | None = None,
) -> grpc.aio.Channel:
    """A channel that retries what is safe to repeat; in the clear unless it is told something about TLS."""
    options = [
        *channels.options(target, _SERVICE_CONFIG),
        # Channels of a process share connections, and a new one would wait out the back-off of one long closed.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if tls or root_certificates or client_pair:
        credentials = grpc.ssl_channel_credentials(root_certificates, *(client_pair or (None, None)))
        return grpc.aio.secure_channel(target, credentials, options)
    return grpc.aio.insecure_channel(target, options)


class Caller:
    """Makes calls with a token that it renews, each within its time, and raises our errors."""

    def __init__(self, token: Token, timeout: float) -> None:
        self._fetch_token = None if isinstance(token, str) else token
        self._token = _printable("token", token.strip()) if isinstance(token, str) else None
        self._fetching = asyncio.Lock()
        self._timeout = timeout

    async def call(
        self, method: Any, request: Message, timeout: float | None, idempotency_key: str | None = None
    ) -> Any:
        """The answer; fetching the token and all that is sent count against the timeout.

        Raises:
            ReadStateError: the call has failed; OutOfTime when its time is over.
            ValueError: the token or the idempotency key is nothing that a call can carry.
            Exception: whatever the function that fetches the token raises, a TimeoutError of its own included.
        """
        key = () if idempotency_key is None else (("idempotency-key", _printable("idempotency_key", idempotency_key)),)
        ends = asyncio.get_running_loop().time() + (self._timeout if timeout is None else timeout)
        timer = asyncio.timeout_at(ends)
        try:
            async with timer:
                return await self._authorized(partial(_send, method, request, ends, key))
        except TimeoutError:
            if timer.expired():
                raise errors.OutOfTime from None
            raise

    @property
    def fetches_tokens(self) -> bool:
        """Whether there can be another token than the first."""
        return self._fetch_token is not None

    async def token(self, expired: str | None = None) -> str:
        """The token, or a new one if this one has expired. Raises what the function that fetches it raises."""
        if self._token is None or self._token == expired:
            return await self._renewed(expired)
        return self._token

    async def _authorized(self, send: Callable[[str], Awaitable[Any]]) -> Any:
        token = await self._renewed(None) if self._token is None else self._token
        try:
            return await send(token)
        except errors.ExpiredToken:
            if self._fetch_token is None:
                raise
        return await send(await self._renewed(token))

    async def _renewed(self, old: str | None) -> str:
        """Another token than `old`. Calls that find the same token expired share one new one."""
        async with self._fetching:
            if self._token is None or self._token == old:
                assert self._fetch_token is not None  # noqa: S101 - or there would be a token
                self._token = _printable("token", (await self._fetch_token()).strip())
            return self._token


async def _send(method: Any, request: Message, ends: float, key: tuple[tuple[str, str], ...], token: str) -> Any:
    seconds = ends - asyncio.get_running_loop().time()
    metadata = (("authorization", f"Bearer {token}"), *key, *_trace())
    with our_errors():
        return await method(request, timeout=seconds, metadata=metadata)


def _printable(argument: str, value: str) -> str:
    # gRPC would quote the value in its complaint, and errors are logged.
    if not (value.isascii() and value.isprintable()):
        raise ValueError(f"{argument} must be printable ASCII")
    return value


def _trace() -> Iterable[tuple[str, str]]:
    """The trace that the caller is in. The server's span becomes a part of it."""
    carrier: dict[str, str] = {}
    if _PROPAGATOR is not None:
        _PROPAGATOR.inject(carrier)
    return carrier.items()
