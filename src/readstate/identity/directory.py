"""Claims → Member, in one of two ways (docs/decisions/0004-directory.md).

`DatabaseDirectory` uses the member table, `ClaimsDirectory` the token.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

from readstate.errors import DirectoryFromClaims, Migrating, UnknownUser
from readstate.identity.row_cache import RowCache
from readstate.model import Claims, Member, NewMember, OrgMember
from readstate.store.members import MemberStore

MEMBER_SECONDS: Final = 5
"""How long another server's change to a member may stay unseen here."""
KEY_SECONDS: Final = 60
"""How long a key is used at most. A key never changes. But a pooler in between can change the server behind a
connection that stays, and after a fail-over the key may be another row's."""


class Directory(Protocol):
    """Finds members, and places or removes users. Also raises what `Database.run` raises."""

    @property
    def look_ups(self) -> tuple[int, int]:
        """How often a member was remembered, and how often not."""

    def cached(self, claims: Claims) -> Member | None:
        """The member, if no look-up is needed; else None."""

    async def find(self, claims: Claims) -> Member:
        """The member.

        Raises:
            UnknownUser: there is no such member.
        """

    async def recipients(self, org_id: str, user_ids: Sequence[str]) -> dict[str, OrgMember]:
        """Those of the users who can be notified in this organisation, by user id."""

    async def upsert(self, members: Sequence[NewMember]) -> None:
        """Place users. On this server it takes effect at once.

        Raises:
            DirectoryFromClaims: this directory cannot be written.
        """

    async def remove(self, user_ids: Sequence[str]) -> int:
        """Remove users; return how many were members. On this server it takes effect at once.

        Raises:
            DirectoryFromClaims: this directory cannot be written.
        """


class DatabaseDirectory:
    """Uses the member table. The token's organisation claim is ignored."""

    def __init__(self, members: MemberStore) -> None:
        self._members = members
        self._cache = RowCache(self._look_up, seconds=MEMBER_SECONDS, generation=members.generation)

    @property
    def look_ups(self) -> tuple[int, int]:
        return self._cache.hits, self._cache.misses

    async def _look_up(self, user_id: str) -> Member:
        member = await self._members.find(user_id)
        if member is None:
            raise UnknownUser
        return member

    def cached(self, claims: Claims) -> Member | None:
        return self._cache.cached(claims.user_id)

    async def find(self, claims: Claims) -> Member:
        return await self._cache.find(claims.user_id)

    async def recipients(self, org_id: str, user_ids: Sequence[str]) -> dict[str, OrgMember]:
        return await self._members.find_in_organization(org_id, user_ids)

    async def upsert(self, members: Sequence[NewMember]) -> None:
        try:
            await self._members.upsert(members)
        finally:
            # After a failure too: the write may have been committed.
            self._cache.forget(member.user_id for member in members)

    async def remove(self, user_ids: Sequence[str]) -> int:
        try:
            return await self._members.remove(user_ids)
        finally:
            self._cache.forget(user_ids)  # as above


class ClaimsDirectory:
    """Uses the token's claim. Rows are made on first sight, and their keys are kept for a while."""

    def __init__(self, members: MemberStore, *, start_read: bool = False) -> None:
        """`start_read`: who is seen in an organisation for the first time finds nothing unread in it."""
        self._members = members
        self._start_read = start_read
        self._member_keys = RowCache(members.find_or_make, seconds=KEY_SECONDS, generation=members.generation)
        self._org_keys = RowCache(members.org_key, seconds=KEY_SECONDS, generation=members.generation)
        self._started = RowCache(self._start, seconds=KEY_SECONDS, generation=members.generation)

    @property
    def look_ups(self) -> tuple[int, int]:
        return self._member_keys.hits, self._member_keys.misses

    def cached(self, claims: Claims) -> Member | None:
        member_key = self._member_keys.cached(claims.user_id)
        if member_key is None:
            return None
        if claims.org_id is None:
            return Member(member_key, None)
        org_key = self._org_keys.cached(claims.org_id)
        if org_key is None or (self._start_read and not self._started.cached(OrgMember(member_key, org_key))):
            return None
        return Member(member_key, org_key)

    async def find(self, claims: Claims) -> Member:
        member_key = await self._member_keys.find(claims.user_id)
        if claims.org_id is None:
            return Member(member_key, None)
        org_key = await self._org_keys.find(claims.org_id)
        if self._start_read:
            # During an upgrade nobody has a read state that could be counted. Marking goes on.
            with suppress(Migrating):
                await self._started.find(OrgMember(member_key, org_key))
        return Member(member_key, org_key)

    async def recipients(self, org_id: str, user_ids: Sequence[str]) -> dict[str, OrgMember]:
        # There is no list of the organisation's members, so every user who is named counts as one.
        org_key = await self._org_keys.find(org_id)
        member_keys = await self._members.find_or_make_all(user_ids)
        return {user_id: OrgMember(member_key, org_key) for user_id, member_key in member_keys.items()}

    async def _start(self, member: OrgMember) -> bool:
        await self._members.start_read(member)
        return True

    async def upsert(self, members: Sequence[NewMember]) -> None:
        raise DirectoryFromClaims

    async def remove(self, user_ids: Sequence[str]) -> int:
        raise DirectoryFromClaims
