"""What a stream looks up before it begins, with a bound on how many do so at once.

When a server starts again, all its streams come back within a second, and nothing is remembered yet. Two thousand of
them once waited for the connections of calls so long that many were refused.
"""

import asyncio
from typing import Final

from readstate.identity.directory import Directory
from readstate.identity.organizations import OrganizationIds
from readstate.identity.tickets import Tickets
from readstate.model import Claims, Member

AT_ONCE: Final = 4
"""Half of the connections of calls, where their number is the default."""


class Opening:
    """Verifies, and is a directory, as others do; but each look-up waits for its turn. Raises as they do."""

    def __init__(self, tickets: Tickets, directory: Directory, org_ids: OrganizationIds) -> None:
        self._tickets = tickets
        self._directory = directory
        self._org_ids = org_ids
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def verify(self, authorization: str) -> Claims:
        """As Tickets.verify."""
        async with self._turns:
            return await self._tickets.verify(authorization)

    def cached(self, claims: Claims) -> Member | None:
        return self._directory.cached(claims)

    async def find(self, claims: Claims) -> Member:
        async with self._turns:
            return self._directory.cached(claims) or await self._directory.find(claims)

    async def org_id(self, org_key: int) -> str:
        """As OrganizationIds.of."""
        async with self._turns:
            return await self._org_ids.of(org_key)
