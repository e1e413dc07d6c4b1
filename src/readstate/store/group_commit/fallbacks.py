"""What is told of batches that were not written as they were."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog

from readstate.store.group_commit.turns import Write
from readstate.telemetry.seldom import Seldom

if TYPE_CHECKING:
    from readstate.store.group_commit.lane import Lane

LOGGED_SECONDS: Final = 10.0
"""At most one line in so many seconds for each lane and cause."""

log = structlog.get_logger("readstate.store")


class Fallbacks:
    """Counts each with its cause, and logs some."""

    def __init__(self) -> None:
        self._is_logged: defaultdict[tuple[str, str], Seldom] = defaultdict(partial(Seldom, LOGGED_SECONDS))
        self._unlogged: Counter[tuple[str, str]] = Counter()

    def count(self, lane: "Lane[Any, Any]", cause: str, calls: Sequence[Write]) -> None:
        """Take note of a batch. `cause` is one of few words."""
        lane.metrics.fallbacks(cause).inc()
        kind = lane.metrics.name, cause
        if not self._is_logged[kind]():
            self._unlogged[kind] += 1
            return
        log.warning(
            "a batch was not written as it was",
            lane=lane.metrics.name,
            cause=cause,
            calls=len(calls),
            organizations=len({write.org_key for write in calls}),
            unlogged=self._unlogged.pop(kind, 0),
        )
