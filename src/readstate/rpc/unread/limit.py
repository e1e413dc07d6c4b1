"""A bound on the streams that are open at once. They take none of the places for calls."""

from typing import Any

from readstate.errors import TooManyStreams
from readstate.rpc.call import Call, Handler
from readstate.rpc.interceptors import Limiter
from readstate.telemetry.metrics import Metrics


class StreamLimit:
    """An interceptor. Each stream takes a place before its caller is looked up, and keeps it until it ends."""

    def __init__(self, limit: int, calls: Limiter, metrics: Metrics) -> None:
        """`calls` bounds the calls. It has to know how many of what it sees are streams."""
        self._limit = limit
        self._calls = calls
        self._open = 0
        metrics.streams.set_function(lambda: self._open)

    async def __call__(self, call_next: Handler, request: Any, call: Call) -> Any:
        """Raises TooManyStreams."""
        if self._open >= self._limit:
            raise TooManyStreams
        self._open += 1
        self._calls.exempt += 1
        try:
            return await call_next(request, call)
        finally:
            self._open -= 1
            self._calls.exempt -= 1
