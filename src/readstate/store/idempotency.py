"""Idempotency keys: what makes a request take effect once, however often it is made."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from readstate.errors import IdempotencyKeyInUse, IdempotencyKeyReused
from readstate.model import KeyedRequest
from readstate.store.pool import Database

KEYS_PER_BATCH: Final = 1_000

# Held until the transaction ends, however it ends, and never waited for: a call that finds it taken is told at once.
# Transaction-level, because PgBouncer may hand the session to another client afterwards.
CLAIM_KEY: Final = "SELECT pg_try_advisory_xact_lock($1) AS claimed"

# A statement of its own, after the claim: the snapshot of a single one could predate the commit of the key's last
# holder. What has expired and is not deleted yet is not there.
FIND_REPLY: Final = """
SELECT fingerprint, reply FROM idempotency_key
 WHERE org_key = $1 AND user_id = $2 AND key = $3 AND kept_at > now() - interval '24 hours'
"""

# Only an expired row can be in the way: the claim is held.
KEEP_REPLY: Final = """
INSERT INTO idempotency_key (org_key, user_id, key, fingerprint, reply) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (org_key, user_id, key)
DO UPDATE SET kept_at = EXCLUDED.kept_at, fingerprint = EXCLUDED.fingerprint, reply = EXCLUDED.reply
"""

# In batches. Two servers sweep at once without waiting for each other, and a row that is being used again is left.
DELETE_EXPIRED_KEYS: Final = """
DELETE FROM idempotency_key
 WHERE ctid = ANY (ARRAY (
    SELECT ctid FROM idempotency_key WHERE kept_at <= now() - interval '24 hours'
     ORDER BY kept_at LIMIT $1 FOR UPDATE SKIP LOCKED))
RETURNING 1
"""


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
            await self._database.rows(KEEP_REPLY, *_identity(request), request.fingerprint, reply, repeatable=False)
            return Reply(reply, replayed=False)

        return await self._database.transaction(work, repeatable=True)

    async def sweep(self) -> int:
        """Delete the keys that have expired, batch by batch; return how many."""
        return await self._database.delete(DELETE_EXPIRED_KEYS, batch=KEYS_PER_BATCH)

    async def _claim(self, request: KeyedRequest) -> None:
        (row,) = await self._database.rows(CLAIM_KEY, _lock(request), repeatable=False)
        if not row["claimed"]:
            raise IdempotencyKeyInUse

    async def _find(self, request: KeyedRequest) -> bytes | None:
        rows = await self._database.rows(FIND_REPLY, *_identity(request), repeatable=False)
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
