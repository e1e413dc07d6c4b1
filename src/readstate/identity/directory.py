"""Claims → Member, in one of two ways (docs/decisions/0004-directory.md).

`DatabaseDirectory` uses the member table, `ClaimsDirectory` the token.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

from cachetools import LRUCache, TTLCache

from readstate.errors import DirectoryFromClaims, Migrating, UnknownUser
from readstate.model import Claims, Member, NewMember, OrgMember
from readstate.store.members import MemberStore

MEMBER_SECONDS: Final = 5
"""How long another server's change to a member may stay unseen here."""

CACHED: Final = 100_000


class Directory(Protocol):
    """Finds members, and places or removes users. Also raises what `Database.run` raises."""

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
        self._cache: TTLCache[str, Member] = TTLCache(CACHED, MEMBER_SECONDS)
        self._writes = 0

    def cached(self, claims: Claims) -> Member | None:
        try:
            return self._cache[claims.user_id]  # `get` looks twice and costs three times as much
        except KeyError:
            return None

    async def find(self, claims: Claims) -> Member:
        writes = self._writes
        member = await self._members.find(claims.user_id)
        if member is None:
            raise UnknownUser
        # A look-up that began before a write may have read the old state.
        if writes == self._writes:
            self._cache[claims.user_id] = member
        return member

    async def recipients(self, org_id: str, user_ids: Sequence[str]) -> dict[str, OrgMember]:
        return await self._members.find_in_organization(org_id, user_ids)

    async def upsert(self, members: Sequence[NewMember]) -> None:
        try:
            await self._members.upsert(members)
        finally:
            self._forget([member.user_id for member in members])

    async def remove(self, user_ids: Sequence[str]) -> int:
        try:
            return await self._members.remove(user_ids)
        finally:
            self._forget(user_ids)

    def _forget(self, user_ids: Sequence[str]) -> None:
        # After a failure too: the write may have been committed.
        self._writes += 1
        for user_id in user_ids:
            self._cache.pop(user_id, None)


class ClaimsDirectory:
    """Uses the token's claim. Rows are made on first sight. Their keys never change, so they are kept."""

    def __init__(self, members: MemberStore, *, start_read: bool = False) -> None:
        """`start_read`: who is seen in an organisation for the first time finds nothing unread in it."""
        self._members = members
        self._start_read = start_read
        self._member_keys: LRUCache[str, int] = LRUCache(CACHED)
        self._org_keys: LRUCache[str, int] = LRUCache(CACHED)
        self._started: LRUCache[OrgMember, bool] = LRUCache(CACHED)

    def cached(self, claims: Claims) -> Member | None:
        member_key = self._member_keys.get(claims.user_id)
        if member_key is None:
            return None
        if claims.org_id is None:
            return Member(member_key, None)
        org_key = self._org_keys.get(claims.org_id)
        if org_key is None or (self._start_read and OrgMember(member_key, org_key) not in self._started):
            return None
        return Member(member_key, org_key)

    async def find(self, claims: Claims) -> Member:
        member_key = self._member_keys.get(claims.user_id)
        if member_key is None:
            member_key = await self._members.find_or_make(claims.user_id)
            self._member_keys[claims.user_id] = member_key
        if claims.org_id is None:
            return Member(member_key, None)
        org_key = await self._org_key(claims.org_id)
        if self._start_read:
            await self._start(OrgMember(member_key, org_key))
        return Member(member_key, org_key)

    async def recipients(self, org_id: str, user_ids: Sequence[str]) -> dict[str, OrgMember]:
        # There is no list of the organisation's members, so every user who is named counts as one.
        org_key = await self._org_key(org_id)
        member_keys = await self._members.find_or_make_all(user_ids)
        return {user_id: OrgMember(member_key, org_key) for user_id, member_key in member_keys.items()}

    async def _start(self, member: OrgMember) -> None:
        # During an upgrade nobody has a read state that could be counted. Marking goes on.
        with suppress(Migrating):
            await self._members.start_read(member)
            self._started[member] = True

    async def _org_key(self, org_id: str) -> int:
        org_key = self._org_keys.get(org_id)
        if org_key is None:
            org_key = await self._members.org_key(org_id)
            self._org_keys[org_id] = org_key
        return org_key

    async def upsert(self, members: Sequence[NewMember]) -> None:
        raise DirectoryFromClaims

    async def remove(self, user_ids: Sequence[str]) -> int:
        raise DirectoryFromClaims
