"""A bound on the calls that are served at once."""

from typing import Any

from readstate.errors import Overloaded
from readstate.rpc.call import Call, Handler
from readstate.telemetry.metrics import Metrics


class Limiter:
    """Bounds the calls that are served at once. Health is exempt: an overloaded server is still alive."""

    def __init__(self, limit: int, metrics: Metrics) -> None:
        self._limit = limit
        self._in_flight = 0
        self._metrics = metrics
        metrics.in_flight.set_function(lambda: self._in_flight)

    async def __call__(self, call_next: Handler, request: Any, call: Call) -> Any:
        """Raises Overloaded."""
        if not call.method.access.token:
            return await call_next(request, call)
        if self._in_flight >= self._limit:
            self._metrics.shed.inc()
            raise Overloaded
        self._in_flight += 1
        try:
            return await call_next(request, call)
        finally:
            self._in_flight -= 1
