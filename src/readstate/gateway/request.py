"""A request as it arrived: its headers, and its body up to a bound."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

from starlette.datastructures import QueryParams
from starlette.responses import Response
from starlette.types import Receive, Scope

from readstate.gateway.problems import Problem
from readstate.telemetry import logs
from readstate.telemetry.trace_context import TraceContext

LARGEST_BODY: Final = 256 << 10
MOST_DROPPED: Final = 16 << 20
"""Bytes. So much of a body that is too large is still read: a client that is sending does not read an answer."""
LONGEST_KEY: Final = 255
"""Characters of an idempotency key that the server takes."""

_SENDABLE: Final = re.compile(rb"[\x20-\x7e]{,8192}")
"""What gRPC metadata can hold, in a length that the server accepts."""


class ClientGone(Exception):
    """The connection ended before the whole request had arrived. Nobody is left to answer."""


class Request:
    """What the endpoints see. `scope` is the one of ASGI, for values that only some endpoints read."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.route: str | None = None
        """The path's template, once it is found."""
        self.parameters: Mapping[str, str] = {}
        # The last of each name. The header that must not be repeated is counted.
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.authorizations = [value for name, value in scope["headers"] if name == b"authorization"]
        self.id = logs.request_id(self._text(b"x-request-id"))
        self.trace = TraceContext.read(self._text(b"traceparent"), self._text(b"tracestate"))
        """The trace that it is a part of, which the server's span becomes a part of as well."""
        self.body = b""

    async def read(self, receive: Receive) -> None:
        """Read the body.

        Raises:
            Problem: 413, the body is too large; 415, it is compressed.
            ClientGone: the rest of the body will not come.
        """
        chunks, received = [], 0
        declared = int(self.headers.get(b"content-length", 0))
        encoded = self.headers.get(b"content-encoding", b"").lower() not in (b"", b"identity")
        # A client with `Expect: 100-continue` asks before it sends the body, and gets its answer before.
        more = b"expect" not in self.headers or not (encoded or declared > LARGEST_BODY)
        while more and received <= MOST_DROPPED:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            received += len(message["body"])
            if received <= LARGEST_BODY:
                chunks.append(message["body"])
            more = message["more_body"]
        if max(received, declared) > LARGEST_BODY:
            raise Problem(413, headers={"connection": "close"})
        if encoded:
            raise Problem(415, headers={"connection": "close", "accept-encoding": "identity"})
        self.body = b"".join(chunks)

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What the server gets: who is calling, and what is in `about`. Nothing else.

        Raises:
            Problem: 401, the authorization cannot be passed on.
        """
        if not self.authorizations:
            return self.about()
        value, *others = self.authorizations
        if others or not _SENDABLE.fullmatch(value):
            raise Problem(401)
        return (("authorization", value.decode()), *self.about())

    def about(self) -> tuple[tuple[str, str], ...]:
        """The request id and the trace, as metadata."""
        return (("x-request-id", self.id), *(self.trace.metadata() if self.trace else ()))

    def _text(self, header: bytes) -> str:
        return self.headers.get(header, b"").decode("latin-1")

    @property
    def query(self) -> QueryParams:
        return QueryParams(self.scope["query_string"])

    def idempotency_keys(self) -> tuple[tuple[str, str], ...]:
        """The header `Idempotency-Key` as metadata. The server refuses a key that is not valid, so it gets every key.

        A key that metadata cannot hold becomes an empty value. Of a key that is too long only the beginning is passed
        on, and of many keys only two: with all of them gRPC itself would refuse the call, as if the server were busy.
        """
        values = [value for name, value in self.scope["headers"] if name == b"idempotency-key"]
        shown = [value[: LONGEST_KEY + 1] for value in values[:2]]
        return tuple(("idempotency-key", v.decode() if _SENDABLE.fullmatch(v) else "") for v in shown)


Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]
Routes: TypeAlias = Mapping[str, Mapping[str, Endpoint]]
"""Path → method → endpoint."""
