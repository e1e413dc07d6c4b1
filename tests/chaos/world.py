"""Two organisations, their members and events: what a load works on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from readstate.client import ReadState

EVENTS: Final = 2_000
READERS: Final = 10
TOGGLERS: Final = 4

MISSING: Final = range(900_000, 901_000)
"""Ids that no event has."""


@dataclass(frozen=True)
class Organization:
    """One tenant. Event ids are no other organisation's, so that a foreign mark shows."""

    org_id: str
    events: range
    readers: tuple[str, ...]
    """Members who only ever mark as read."""
    togglers: tuple[str, ...]
    """Members who also unmark."""

    @property
    def members(self) -> tuple[str, ...]:
        return self.readers + self.togglers


def organization(org_id: str, first_event: int) -> Organization:
    readers = tuple(f"{org_id}-reader-{n}" for n in range(READERS))
    togglers = tuple(f"{org_id}-toggler-{n}" for n in range(TOGGLERS))
    return Organization(org_id, range(first_event, first_event + EVENTS), readers, togglers)


class World:
    """The organisations, and who belongs to which."""

    def __init__(self, organizations: Sequence[Organization]) -> None:
        self.organizations = organizations
        self.of: Mapping[str, Organization] = {user: org for org in organizations for user in org.members}
        """Member → organisation."""

    async def make(self, producer: ReadState) -> None:
        """Record it in an empty database. The producer needs `system_events:write` and `directory:write`."""
        await producer.upsert_members({user: org.org_id for user, org in self.of.items()})
        for org in self.organizations:
            await producer.record_system_events(org.org_id, [{"event_id": i, "type": "chaos"} for i in org.events])


def two_organizations() -> World:
    return World([organization("acme", 1), organization("globex", 100_001)])
