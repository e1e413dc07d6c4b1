"""Calls as they are on the wire, and failures with all their details: what the client of readstate does not show."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode

from readstate.config import ServerSettings
from readstate.identity import tokens

Metadata: TypeAlias = Sequence[tuple[str, str | bytes]]


@dataclass(frozen=True)
class Failure:
    code: StatusCode
    message: str | None
    reason: str | None = None
    domain: str | None = None
    request_id: str | None = None
    violations: tuple[tuple[str, str], ...] = ()
    retry_seconds: float | None = None


async def failure(call: Awaitable[object]) -> Failure:
    """How the call fails."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return failure_of(raised.value)


def failure_of(error: grpc.aio.AioRpcError) -> Failure:
    found: dict[str, Any] = {}
    for key, value in error.trailing_metadata():
        if key == "grpc-status-details-bin":
            assert isinstance(value, bytes)
            status = status_pb2.Status.FromString(value)
            assert (status.code, status.message) == (error.code().value[0], error.details())
            for packed in status.details:
                kind = packed.TypeName().rpartition(".")[2]
                message = getattr(error_details_pb2, kind)()
                assert packed.Unpack(message)
                found |= _fields(kind, message)
    return Failure(error.code(), error.details(), **found)


def _fields(kind: str, message: Any) -> dict[str, Any]:
    match kind:
        case "ErrorInfo":
            return {"reason": message.reason, "domain": message.domain}
        case "RequestInfo":
            return {"request_id": message.request_id}
        case "RetryInfo":
            return {"retry_seconds": message.retry_delay.ToTimedelta().total_seconds()}
        case "BadRequest":
            return {"violations": tuple((v.field, v.description) for v in message.field_violations)}
    raise AssertionError(f"an unknown detail: {kind}")


class Wire:
    """Sends any bytes with any metadata to any method."""

    def __init__(self, channel: grpc.aio.Channel, settings: ServerSettings) -> None:
        self._channel = channel
        self._settings = settings

    def bearer(self, user: str, *, scope: str = "", org: str | None = None, expires_in: int = 3600) -> Metadata:
        token = tokens.sign(self._settings, user=user, scope=scope, org=org, expires_in=expires_in)
        return (("authorization", f"Bearer {token}"),)

    async def call(
        self, method: str, request: Message | bytes, metadata: Metadata = (), *, timeout: float | None = 5
    ) -> bytes:
        """Call `method`, as in `SystemEventService/MarkRead` or with its full path."""
        path = method if method.startswith("/") else f"/readstate.v1.{method}"
        data = request if isinstance(request, bytes) else request.SerializeToString()
        # Without serialisers grpc takes and gives bytes.
        reply: bytes = await self._channel.unary_unary(path)(data, metadata=metadata, timeout=timeout)  # type: ignore[arg-type]
        return reply
