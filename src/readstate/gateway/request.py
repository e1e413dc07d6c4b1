"""A request as it arrived: what its headers said, and its body within bounds."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

from starlette.datastructures import QueryParams
from starlette.responses import Response
from starlette.types import Receive, Scope

from readstate.gateway.problems import Problem
from readstate.telemetry import logs

LARGEST_BODY: Final = 256 << 10
MOST_DROPPED: Final = 16 << 20
"""Bytes of a body that is too large which are read all the same: a client that is still sending reads no answer."""
LONGEST_KEY: Final = 255
"""Characters of an idempotency key that the server takes."""

_SENDABLE: Final = re.compile(rb"[\x20-\x7e]{,8192}")
"""What gRPC metadata can hold, in the length that the server reads."""


class ClientGone(Exception):
    """The connection ended before the request did: there is nobody to answer."""


class Request:
    """What the endpoints see. `scope` is ASGI's, for what only some of them read."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.route: str | None = None
        """The path's template, once it is found."""
        self.parameters: Mapping[str, str] = {}
        # The last of each name; the one that must not be repeated is counted.
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.authorizations = [value for name, value in scope["headers"] if name == b"authorization"]
        self.id = logs.request_id(self.headers.get(b"x-request-id", b"").decode("latin-1"))
        self.body = b""

    async def read(self, receive: Receive) -> None:
        """Take in the body.

        Raises:
            Problem: 413, it is too large.
            ClientGone: it will never be whole.
        """
        chunks, received = [], 0
        declared = int(self.headers.get(b"content-length", 0))
        # Who asks before sending a body, by `Expect: 100-continue`, is told before sending it.
        more = declared <= LARGEST_BODY or b"expect" not in self.headers
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
        self.body = b"".join(chunks)

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes on to the server of the headers: who is calling and the request id, nothing else.

        Raises:
            Problem: 401, the authorization cannot be sent on.
        """
        if not self.authorizations:
            return (("x-request-id", self.id),)
        value, *others = self.authorizations
        if others or not _SENDABLE.fullmatch(value):
            raise Problem(401)
        return (("authorization", value.decode()), ("x-request-id", self.id))

    @property
    def query(self) -> QueryParams:
        return QueryParams(self.scope["query_string"])

    def idempotency_keys(self) -> tuple[tuple[str, str], ...]:
        """The header `Idempotency-Key` as metadata, for the server to refuse in its turn if it is not valid. So what
        metadata cannot hold goes on as an empty value, and of what is too much no more than shows it: with all of it,
        gRPC itself would refuse the call, as if the server were busy."""
        values = [value for name, value in self.scope["headers"] if name == b"idempotency-key"]
        shown = [value[: LONGEST_KEY + 1] for value in values[:2]]
        return tuple(("idempotency-key", v.decode() if _SENDABLE.fullmatch(v) else "") for v in shown)


Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]
Routes: TypeAlias = Mapping[str, Mapping[str, Endpoint]]
"""Path → method → endpoint."""
