"""Idempotency keys: what makes a request take effect once, however often it is made."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from readstate.errors import IdempotencyKeyInUse, IdempotencyKeyReused, ReadStateError
from readstate.model import KeyedRequest
from readstate.store.by_organization import OnOrganizations
from readstate.store.pool import Connection, Database

KEYS_PER_BATCH: Final = 1_000

# Held until the transaction ends, however it ends, and never waited for: a call that finds it taken is told at once.
# Transaction-level, because PgBouncer may hand the session to another client afterwards.
CLAIM_KEYS: Final = "SELECT pg_try_advisory_xact_lock(lock) AS claimed FROM unnest($1::bigint[]) AS i (lock)"

# A statement of its own, after the claim: the snapshot of a single one could predate the commit of the key's last
# holder. What has expired and is not deleted yet is not there.
FIND_REPLIES: Final = OnOrganizations(
    together="""
SELECT i.place, k.fingerprint, k.reply
  FROM unnest($1::int[], $2::text[], $3::text[], $4::int[]) AS i (org_key, user_id, key, place)
 CROSS JOIN LATERAL (
    SELECT fingerprint, reply FROM idempotency_key k
     WHERE k.org_key = i.org_key AND k.user_id = i.user_id AND k.key = i.key
       AND k.kept_at > now() - interval '24 hours' OFFSET 0) k
""",
    each="""
SELECT i.place, k.fingerprint, k.reply
  FROM unnest($2::text[], $3::text[], $4::int[]) AS i (user_id, key, place)
 CROSS JOIN LATERAL (
    SELECT fingerprint, reply FROM idempotency_key k
     WHERE k.org_key = $1 AND k.user_id = i.user_id AND k.key = i.key
       AND k.kept_at > now() - interval '24 hours' OFFSET 0) k
""",
)

# Only expired rows can be in the way: the claims are held.
KEEP_REPLIES: Final = """
INSERT INTO idempotency_key (org_key, user_id, key, fingerprint, reply)
SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::bytea[], $5::bytea[])
ON CONFLICT (org_key, user_id, key)
DO UPDATE SET kept_at = EXCLUDED.kept_at, fingerprint = EXCLUDED.fingerprint, reply = EXCLUDED.reply
"""

# The same for one, on a database that is sharded by organisation. A caller without an organisation has no stream to
# take `org_key` from.
KEEP_REPLY: Final = """
INSERT INTO idempotency_key (org_key, user_id, key, fingerprint, reply) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (org_key, user_id, key)
DO UPDATE SET kept_at = EXCLUDED.kept_at, fingerprint = EXCLUDED.fingerprint, reply = EXCLUDED.reply
"""

# In batches. Two servers sweep at once without waiting for each other, and a row that is being used again is left. By
# their place, as in marks/sql.py: REMOVE_MARKS.
DELETE_EXPIRED_KEYS: Final = """
WITH doomed AS MATERIALIZED (
    SELECT tableoid AS part, ctid AS place FROM idempotency_key
     WHERE kept_at <= now() - interval '24 hours' ORDER BY kept_at LIMIT $1 FOR UPDATE SKIP LOCKED)
DELETE FROM idempotency_key
 WHERE ctid = ANY (ARRAY (SELECT place FROM doomed)) AND ((tableoid, ctid) IN (SELECT part, place FROM doomed)) IS TRUE
RETURNING 1
"""

# The same for one organisation of a sharded database, and where there is something to delete.
DELETE_EXPIRED_KEYS_OF_ONE: Final = """
WITH doomed AS MATERIALIZED (
    SELECT tableoid AS part, ctid AS place FROM idempotency_key
     WHERE org_key = $1 AND kept_at <= now() - interval '24 hours' ORDER BY kept_at LIMIT $2 FOR UPDATE SKIP LOCKED)
DELETE FROM idempotency_key
 WHERE org_key = $1 AND ctid = ANY (ARRAY (SELECT place FROM doomed))
   AND ((tableoid, ctid) IN (SELECT part, place FROM doomed)) IS TRUE
RETURNING 1
"""
FIND_EXPIRED_ORGANIZATIONS: Final = """
SELECT DISTINCT org_key FROM idempotency_key WHERE kept_at <= now() - interval '24 hours'
"""

COUNT_EXPIRED_KEYS: Final = """
SELECT count(*)::int AS keys FROM idempotency_key WHERE kept_at <= now() - interval '24 hours'
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
            (kept,) = await self._database.run(lambda connection: claim(connection, [request]), repeatable=False)
            if isinstance(kept, ReadStateError):
                raise kept
            if kept is not None:
                # A call whose connection was lost at the commit finds its own reply; another's is a replay to it too.
                return Reply(kept, replayed=kept != own)
            own = reply = await act()
            await self._database.run(lambda connection: keep(connection, [(request, reply)]), repeatable=False)
            return Reply(reply, replayed=False)

        return await self._database.transaction(work, repeatable=True)

    async def sweep(self) -> int:
        """Delete the keys that have expired, batch by batch; return how many."""
        if self._database.batch == "mixed":
            return await self._database.delete(DELETE_EXPIRED_KEYS, batch=KEYS_PER_BATCH)
        rows = await self._database.rows(FIND_EXPIRED_ORGANIZATIONS, repeatable=True)
        return sum(
            [
                await self._database.delete(DELETE_EXPIRED_KEYS_OF_ONE, row["org_key"], batch=KEYS_PER_BATCH)
                for row in rows
            ]
        )

    async def expired(self) -> int:
        """How many keys `sweep` would delete."""
        (row,) = await self._database.rows(COUNT_EXPIRED_KEYS, repeatable=True)
        return int(row["keys"])


async def claim(connection: Connection, requests: Sequence[KeyedRequest]) -> list[bytes | ReadStateError | None]:
    """Claim the keys until the transaction ends. For each return the reply that is kept, why it may not go on, or None.

    Why: IdempotencyKeyInUse, also for the second of two requests with one key; or IdempotencyKeyReused.
    """
    locks = [_lock(request) for request in requests]
    claimed = [row["claimed"] for row in await connection.rows(CLAIM_KEYS, locks)]
    columns = *_identities(requests), list(range(1, len(requests) + 1))
    found = {row["place"]: row for row in await connection.rows_of(FIND_REPLIES, *columns)}
    outcomes: list[bytes | ReadStateError | None] = []
    for place, request in enumerate(requests, start=1):
        if not claimed[place - 1] or locks[place - 1] in locks[: place - 1]:
            outcomes.append(IdempotencyKeyInUse())
        elif place not in found:
            outcomes.append(None)
        elif found[place]["fingerprint"] != request.fingerprint:
            outcomes.append(IdempotencyKeyReused())
        else:
            outcomes.append(bytes(found[place]["reply"]))
    return outcomes


async def keep(connection: Connection, replies: Sequence[tuple[KeyedRequest, bytes]]) -> None:
    """Keep the replies under their keys, which this transaction has claimed."""
    if connection.batch == "organization":
        for request, reply in replies:
            await connection.rows(KEEP_REPLY, *_identity(request), request.fingerprint, reply)
        return
    requests = [request for request, _ in replies]
    fingerprints = [request.fingerprint for request in requests]
    await connection.rows(KEEP_REPLIES, *_identities(requests), fingerprints, [reply for _, reply in replies])


def _identities(requests: Sequence[KeyedRequest]) -> tuple[list[int], list[str], list[str]]:
    identities = [_identity(request) for request in requests]
    return [i[0] for i in identities], [i[1] for i in identities], [i[2] for i in identities]


def _identity(request: KeyedRequest) -> tuple[int, str, str]:
    return request.org_key or 0, request.user_id, request.key


def _lock(request: KeyedRequest) -> int:
    """64 bits for an advisory lock. No part of the identity holds NUL."""
    digest = hashlib.sha256("\0".join(map(str, _identity(request))).encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
