"""Calls that leave together."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from readstate.store.group_commit.turns import Write

if TYPE_CHECKING:
    from readstate.store.group_commit.lane import Lane

_ORGANIZATION_MEMBER_CALL: Final[tuple[Callable[[Write], Hashable], ...]] = attrgetter("org_key"), attrgetter("who"), id


@dataclass(frozen=True, eq=False, slots=True)
class Batch:
    """Calls of one lane."""

    lane: "Lane[Any, Any]"
    calls: Sequence[Write]
    again: bool = False
    """Whether it has been written before, and nobody knows with what outcome."""

    @property
    def organizations(self) -> set[int]:
        return {write.org_key for write in self.calls}


def halved(calls: Sequence[Write]) -> tuple[list[Write], list[Write]]:
    """Half of the organisations and the others; of one organisation, of its members; of one member, of the calls.

    There are at least two.
    """
    groups = next(groups for key in _ORGANIZATION_MEMBER_CALL if len(groups := _grouped(calls, key)) > 1)
    middle = len(groups) // 2
    first, second = groups[:middle], groups[middle:]
    return [write for group in first for write in group], [write for group in second for write in group]


def _grouped(calls: Sequence[Write], key: Callable[[Write], Hashable]) -> list[list[Write]]:
    groups: dict[Hashable, list[Write]] = {}
    for write in calls:
        groups.setdefault(key(write), []).append(write)
    return list(groups.values())
