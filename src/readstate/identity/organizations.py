"""Our key of an organisation → the id by which the outside knows it."""

from typing import Final

from cachetools import LRUCache

from readstate.store.members import MemberStore

CACHED: Final = 100_000


class OrganizationIds:
    """Remembers what it has looked up: neither key nor id ever changes. Raises as `Database.run`."""

    def __init__(self, members: MemberStore) -> None:
        self._members = members
        self._ids: LRUCache[int, str] = LRUCache(CACHED)

    async def of(self, org_key: int) -> str:
        """The id of an organisation that there is."""
        org_id = self._ids.get(org_key)
        if org_id is None:
            org_id = self._ids[org_key] = await self._members.org_id(org_key)
        return org_id
