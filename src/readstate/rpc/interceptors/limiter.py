"""A bound on the calls that are served at once."""

from functools import cache
from typing import Any, Final

import structlog

from readstate.errors import Overloaded
from readstate.rpc.call import Call, Handler
from readstate.telemetry.metrics import Metrics
from readstate.telemetry.seldom import Seldom

LOG_SECONDS: Final = 1.0
"""Calls that are refused have no log line of their own. So often, one line tells how many they were."""

log = structlog.get_logger("readstate.rpc")


class Limiter:
    """Bounds the calls that are served at once. Health is exempt: an overloaded server is still alive."""

    def __init__(self, limit: int, metrics: Metrics) -> None:
        self.limit = limit
        self.exempt = 0
        """Calls in flight that the limit does not concern."""
        self._in_flight = 0
        self._metrics = metrics
        self._count = cache(metrics.calls.labels)  # a look-up costs more than the count
        self._untold = 0
        self._is_told = Seldom(LOG_SECONDS)
        metrics.in_flight.set_function(lambda: self._in_flight)

    async def __call__(self, call_next: Handler, request: Any, call: Call) -> Any:
        """Raises Overloaded."""
        if not call.method.access.token:
            self.exempt += 1
            try:
                return await call_next(request, call)
            finally:
                self.exempt -= 1
        if self._in_flight >= self.limit:
            raise self.refuse()
        self._in_flight += 1
        try:
            return await call_next(request, call)
        finally:
            self._in_flight -= 1

    def refuse(self) -> Overloaded:
        """What to tell a call that finds no place. It is counted."""
        self._metrics.shed.inc()
        self._untold += 1
        if self._is_told():
            log.warning("overloaded: calls are shed", calls=self._untold, limit=self.limit)
            self._untold = 0
        return Overloaded()

    def refuse_unseen(self, method: str) -> Overloaded:
        """As `refuse`, for a call that no interceptor sees: it is counted among the calls as well."""
        self._count(method, "RESOURCE_EXHAUSTED").inc()
        return self.refuse()
