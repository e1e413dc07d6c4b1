"""Saying something now and then, that would otherwise be said for every call."""

import math
import time
from collections.abc import Callable


class Seldom:
    """True at most once in `seconds`."""

    def __init__(self, seconds: float, timer: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._timer = timer
        self._last = -math.inf

    def __call__(self) -> bool:
        """Whether it is to be said now."""
        now = self._timer()
        if now - self._last < self._seconds:
            return False
        self._last = now
        return True
