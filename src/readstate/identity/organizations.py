"""Our key of an organisation → the id by which the outside knows it."""

from typing import Final

from readstate.identity.row_cache import RowCache
from readstate.store.members import MemberStore

SECONDS: Final = 60
"""As `directory.KEY_SECONDS`."""


class OrganizationIds:
    """Remembers what it has looked up: neither key nor id ever changes. Raises as `Database.run`."""

    def __init__(self, members: MemberStore) -> None:
        self._ids = RowCache(members.org_id, seconds=SECONDS, generation=members.generation)

    async def of(self, org_key: int) -> str:
        """The id of an organisation. Raises NoOrganization: it has just been erased."""
        return await self._ids.find(org_key)
