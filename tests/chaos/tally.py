"""Figures of a history."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise

from tests.chaos.history import Call, Ending, History

LONGEST_CALL = 6.5
"""Seconds: the client's own limit of 6, and what a busy machine adds."""


def endings(history: History) -> str:
    """How many calls ended how."""
    found = Counter(call.ending for call in history.calls)
    return ", ".join(f"{found[ending]:,} {ending.name.lower()}" for ending in Ending if found[ending])


def share_acknowledged(history: History) -> float:
    calls = history.calls
    return sum(call.ending is Ending.ACKNOWLEDGED for call in calls) / len(calls)


def failures(calls: Iterable[Call]) -> dict[str, int]:
    """Failed calls by the name of their error; calls that nobody answered have none."""
    return dict(Counter(call.failure for call in calls if call.ending is not Ending.ACKNOWLEDGED))


def listed(found: Mapping[str, int]) -> str:
    """How many of which, as a reader sees it. What has no name has not been answered."""
    return ", ".join(f"{number:,} {name or 'no answer'}" for name, number in sorted(found.items())) or "none"


def longest(history: History) -> float:
    """Seconds that the slowest call took until its caller was told anything."""
    return max((math.inf if call.told is None else call.told) - call.begun for call in history.calls)


def back_after(history: History, moment: float) -> float:
    """Seconds from this moment until a mark that was begun after it was acknowledged; infinite if none was."""
    told = [
        call.told
        for call in history.marks
        if call.begun >= moment and call.told is not None and call.ending is Ending.ACKNOWLEDGED
    ]
    return min(told, default=math.inf) - moment


def gap(history: History) -> float:
    """The longest time in seconds from one mark's acknowledgement to the next one's; infinite if there are no two."""
    told = sorted(call.told for call in history.marks if call.told is not None and call.ending is Ending.ACKNOWLEDGED)
    return max((later - earlier for earlier, later in pairwise(told)), default=math.inf)
