"""Idempotency keys: what makes a request take effect once, however often it is made."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from readstate.errors import IdempotencyKeyInUse, IdempotencyKeyReused
from readstate.model import KeyedRequest
from readstate.store import notification_sql as sql
from readstate.store.pool import Database

KEYS_PER_BATCH: Final = 1_000


@dataclass(frozen=True, slots=True)
class Reply:
    """What a keyed request is answered with."""

    content: bytes
    replayed: bool
    """Whether an earlier call did what was asked, and this one nothing."""


class IdempotencyStore:
    """The key table. Raises as `Database.run`.

    The promise:
    - The effect and its reply are committed together or not at all: whatever goes wrong leaves the key free.
    - Of several calls at once with one key, one runs; the others are told so at once, and wait for nothing.
    - A reply is kept for 24 hours.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def once(self, request: KeyedRequest, act: Callable[[], Awaitable[bytes]]) -> Reply:
        """Do `act` and keep its reply, or return the reply that is kept.

        Safe to repeat, and repeated after a lost connection: the second attempt finds what the first has committed.

        Raises:
            IdempotencyKeyReused: the key belongs to another request.
            IdempotencyKeyInUse: a call with this key is running.
        """
        own: bytes | None = None

        async def work() -> Reply:
            nonlocal own
            await self._claim(request)
            kept = await self._find(request)
            if kept is not None:
                # A call whose connection was lost at the commit finds its own reply; another's is a replay to it too.
                return Reply(kept, replayed=kept != own)
            own = reply = await act()
            await self._database.rows(sql.KEEP_REPLY, *_identity(request), request.fingerprint, reply, repeatable=False)
            return Reply(reply, replayed=False)

        return await self._database.transaction(work, repeatable=True)

    async def sweep(self) -> int:
        """Delete the keys that have expired, batch by batch; return how many."""
        return await self._database.delete(sql.DELETE_EXPIRED_KEYS, batch=KEYS_PER_BATCH)

    async def _claim(self, request: KeyedRequest) -> None:
        (row,) = await self._database.rows(sql.CLAIM_KEY, _lock(request), repeatable=False)
        if not row["claimed"]:
            raise IdempotencyKeyInUse

    async def _find(self, request: KeyedRequest) -> bytes | None:
        rows = await self._database.rows(sql.FIND_REPLY, *_identity(request), repeatable=False)
        if not rows:
            return None
        if rows[0]["fingerprint"] != request.fingerprint:
            raise IdempotencyKeyReused
        return bytes(rows[0]["reply"])


def _identity(request: KeyedRequest) -> tuple[int, str, str]:
    return request.org_key or 0, request.user_id, request.key


def _lock(request: KeyedRequest) -> int:
    """64 bits for an advisory lock. No part of the identity holds NUL."""
    digest = hashlib.sha256("\0".join(map(str, _identity(request))).encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
