"""Which web pages may call: the CORS protocol of the fetch standard (https://fetch.spec.whatwg.org/#http-cors-protocol).

A token travels in a header, never in a cookie. So no page needs `Access-Control-Allow-Credentials`.
"""

import re
from collections.abc import Collection, Mapping
from typing import Final, TypeAlias

Headers: TypeAlias = list[tuple[bytes, bytes]]

_PREFLIGHT: Final = [
    (
        b"access-control-allow-headers",
        b"Authorization, Content-Type, Idempotency-Key, If-None-Match, Traceparent, Tracestate, X-Request-Id",
    ),
    (b"access-control-max-age", b"600"),
]
_LOCALHOST: Final = re.compile(rb"http://localhost(:[0-9]{1,5})?")
_EXPOSED: Final = (b"access-control-expose-headers", b"ETag, Idempotent-Replayed, Retry-After, X-Request-Id")


class Cors:
    """Without origins it adds nothing. A page that is not allowed gets an answer without the headers, and cannot read
    it."""

    def __init__(self, origins: Collection[str], *, localhost: bool = False) -> None:
        """`localhost` lets in the pages that developers serve to themselves, whatever their port."""
        self._localhost = localhost
        self._everyone = "*" in origins
        self._origins = frozenset(origin.encode() for origin in origins)

    def headers(self, request: Mapping[bytes, bytes]) -> Headers:
        """For every answer, errors included. `request` has the headers of the request."""
        if self._everyone:
            return [(b"access-control-allow-origin", b"*"), _EXPOSED]
        if not self._origins and not self._localhost:
            return []
        vary = (b"vary", b"Origin")  # a cache must not give one origin's answer to another
        origin = request.get(b"origin", b"")
        return [vary, (b"access-control-allow-origin", origin), _EXPOSED] if self._lets_in(origin) else [vary]

    def preflight(self, request: Mapping[bytes, bytes], methods: str) -> Headers:
        """For an answer to OPTIONS, in addition to the headers of every answer."""
        if not self._everyone and not self._lets_in(request.get(b"origin", b"")):
            return []
        return [(b"access-control-allow-methods", methods.encode()), *_PREFLIGHT]

    def _lets_in(self, origin: bytes) -> bool:
        return origin in self._origins or (self._localhost and _LOCALHOST.fullmatch(origin) is not None)
