"""What keeps the database in order, as a command and in the background of a server."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from readstate.config import DirectorySettings, RetentionSettings
from readstate.model import Pruned, Retention
from readstate.store import pool
from readstate.store.erasure.store import ErasureStore
from readstate.store.idempotency import IdempotencyStore
from readstate.store.members import MemberStore
from readstate.store.pool import Database
from readstate.store.retention.store import RetentionStore

PRUNE_SECONDS: Final = 3_600.0
"""Between two prunes of a server. Each makes every cursor of an organisation settle, so they are not more frequent."""


@dataclass(frozen=True, slots=True)
class Tidied:
    """What `prune` has deleted, or would delete."""

    expired_keys: int
    pruned: Pruned


async def prune(settings: RetentionSettings, *, dry_run: bool) -> Tidied:
    """Delete what is older than the settings say, expired idempotency keys, and what removed members left behind.

    With `dry_run` nothing is deleted; what removed members left behind is not counted.

    Raises:
        StartupError: the database cannot be reached.
        Migrating: something is to be pruned, and the upgrade to read cursors is not finished.
        ReadStateError: the database fails during the work. The command may be run again.
    """
    async with pool.connect(settings) as database:
        keys = IdempotencyStore(database)
        if dry_run:
            expired = await keys.expired()
        else:
            await MemberStore(database).sweep()
            await ErasureStore(database).sweep()
            expired = await keys.sweep()
        kept = _retention(settings)
        return Tidied(expired, await RetentionStore(database).prune(kept, dry_run=dry_run, in_bulk=True))


async def forget(
    settings: DirectorySettings, *, user_id: str | None, org_id: str | None, dry_run: bool
) -> dict[str, int]:
    """Erase a user, what a user has in one organisation, or an organisation. Return how many rows of each table.

    Raises:
        StartupError: the database cannot be reached.
        ReadStateError: the database fails during the work. The command may be run again.
    """
    async with pool.connect(settings) as database:
        store = ErasureStore(database, dry_run=dry_run)
        if user_id is not None:
            return dict(await (store.user(user_id) if org_id is None else store.user_in(user_id, org_id)))
        if org_id is None:
            return {}
        erased = await store.organization(org_id, members_from_claims=settings.directory == "claims")
        if not dry_run:
            await MemberStore(database).sweep()
        return dict(erased)


def pruning(settings: RetentionSettings, database: Database) -> Callable[[], Awaitable[Pruned]]:
    """The sweep of a server. All servers agree on the whole hour that it counts from: one of them does the work."""
    store, kept = RetentionStore(database), _retention(settings)

    async def sweep() -> Pruned:
        return await store.prune(kept, now=datetime.now(UTC).replace(minute=0, second=0, microsecond=0))

    return sweep


def _retention(settings: RetentionSettings) -> Retention:
    return Retention(
        settings.prune_events_older_than, settings.prune_notifications_older_than, settings.prune_unread_notifications
    )
