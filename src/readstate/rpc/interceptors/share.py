"""A bound on what one organisation has in flight."""

from collections import Counter
from collections.abc import Hashable
from typing import Any, Final

import structlog

from readstate.errors import Overloaded
from readstate.rpc.call import Call, Handler
from readstate.rpc.interceptors.limiter import LOG_SECONDS
from readstate.telemetry.logs import printable
from readstate.telemetry.metrics import Metrics
from readstate.telemetry.seldom import Seldom

BYTES_PER_PLACE: Final = 4096
"""A call with a large request takes more than one place: what it costs grows with its size."""

REMEMBERED: Final = 100_000
"""Users whose organisation is remembered. It may be an old one: it only tells whose places they take."""

log = structlog.get_logger("readstate.rpc")


class Share:
    """Leaves a quarter of the server's places to others, whatever one organisation does.

    Runs before the member is looked up and the request is decoded, which is where work begins. So it goes by the
    organisation in which it has seen the user last. Users whom it has never seen share one bound among them.
    """

    def __init__(self, places: int, metrics: Metrics) -> None:
        self._most = places - places // 4
        self._taken: Counter[Hashable] = Counter()
        self._seen: dict[str, Hashable] = {}
        self._metrics = metrics
        self._untold: Counter[Hashable] = Counter()
        self._is_told = Seldom(LOG_SECONDS)

    async def __call__(self, call_next: Handler, request: Any, call: Call) -> Any:
        """Raises Overloaded."""
        if call.claims is None:
            return await call_next(request, call)
        whose = self._seen.get(call.claims.user_id)
        places = 1 + len(request) // BYTES_PER_PLACE if isinstance(request, bytes) else 1
        taken = self._taken[whose]
        if taken and taken + places > self._most:
            raise self._refuse(whose)
        self._taken[whose] = taken + places
        try:
            return await call_next(request, call)
        finally:
            self._give_back(whose, places)
            self._remember(call, whose)

    def _refuse(self, whose: Hashable) -> Overloaded:
        self._metrics.shed.inc()
        self._untold[whose] += 1
        if self._is_told():
            ((most, calls),) = self._untold.most_common(1)
            about = {"user": printable(most)} if isinstance(most, str) else {"org_key": most}
            log.warning("overloaded: calls of one organisation are shed", calls=calls, limit=self._most, **about)
            self._untold.clear()
        return Overloaded()

    def _give_back(self, whose: Hashable, places: int) -> None:
        self._taken[whose] -= places
        if not self._taken[whose]:
            del self._taken[whose]

    def _remember(self, call: Call, before: Hashable) -> None:
        now = _whose(call)
        if call.claims is not None and now is not None and now != before:
            if len(self._seen) >= REMEMBERED:
                self._seen.clear()
            self._seen[call.claims.user_id] = now


def _whose(call: Call) -> Hashable:
    """The organisation; the user who is in none; None for a user who may not exist."""
    if call.member is not None and call.member.org_key is not None:
        return call.member.org_key
    if call.claims is not None and (call.member is not None or not call.method.access.member):
        return call.claims.user_id
    return None
