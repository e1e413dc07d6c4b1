"""Erases a person or a tenant, in short steps beside the calls."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

from readstate.store.by_organization import Batch
from readstate.store.erasure import sql
from readstate.store.marks.sql import DELETE_MARKS_OF_REMOVED
from readstate.store.notifications.sql import DELETE_NOTIFICATIONS_OF_REMOVED
from readstate.store.pool import Connection, Database, Row
from readstate.store.recording import LOCK_STREAM
from readstate.store.retention.events import EVENTS_PER_STEP, PRUNE_EVENTS, EventPruner
from readstate.store.retention.pace import paced

PER_PAGE: Final = 1_000
MEMBERS_PER_STEP: Final = 100
ROWS_PER_STEP: Final = 5_000
LOOKED_AT_PER_STEP: Final = 5_000

CACHE_SECONDS: Final = 11.0
"""Servers may hold a member's organisation for 5 s, and a call that has it takes 5 s."""

_ALL: Final = datetime.max.replace(tzinfo=UTC)
"""Every time is before it: the driver sends it as infinity."""

Counts = Counter[str]
"""Rows by table. Of `system_event` and `notification` also those from which the person's name is taken: `… unnamed`."""


class ErasureStore:
    """What is erased is gone at once for every new call, and for good. Raises as `Database.run`.

    The promise:
    - Whatever breaks off may be begun again. Counts and lists are exact in between.
    - What a call writes meanwhile, with a key that a server still remembers, goes with the sweeps.
    """

    def __init__(self, database: Database, *, dry_run: bool = False) -> None:
        """`dry_run`: only count."""
        self._database = database
        self._dry_run = dry_run

    # -- A person ------------------------------------------------------------------------------------------------------

    async def user(self, user_id: str) -> Counts:
        """Erase everything of this user, in every organisation; return what."""
        member_keys = [row["member_key"] for row in await self._rows(sql.FIND_USER, user_id)]
        counts = Counts(member=len(member_keys))
        if self._dry_run:
            counts += await self._count_of(member_keys, None)
        else:
            await self._rows(sql.REMOVE, member_keys)
            for row in await self._rows(sql.ORGANIZATIONS_OF, member_keys):
                counts += await self._erase(row["org_key"], member_keys)
            counts += await self._without_cursors(member_keys)
        for row in await self._rows(_KEY_ORGANIZATIONS[self._database.batch]):
            counts += await self._keys(row["org_key"], user_id)
        counts += await self._tickets(user_id, None)
        async for org_key in self._organizations():
            counts += await self._unname(org_key, user_id)
        if not self._dry_run:
            await self._rows(sql.UNNAME, member_keys)
        return counts

    async def user_in(self, user_id: str, org_id: str) -> Counts:
        """Erase what this user has in one organisation; the user too, if nothing of them is left; return what."""
        org_key = await self._org_key(org_id)
        if org_key is None:
            return Counts()
        member_keys = [row["member_key"] for row in await self._rows(sql.FIND_USER, user_id)]
        if self._dry_run:
            counts = await self._count_of(member_keys, org_key)
            counts["member"] = len(await self._empty(member_keys, org_key))
        else:
            if await self._rows(sql.TAKE_OUT, member_keys, org_key):
                await asyncio.sleep(CACHE_SECONDS)
            counts = await self._erase(org_key, member_keys)
            empty = await self._empty(member_keys, org_key)
            counts["member"] = len(empty)
            await self._remove(empty)
        counts += await self._tickets(user_id, None if counts["member"] else org_id)
        return counts + await self._keys(org_key, user_id) + await self._unname(org_key, user_id)

    # -- A tenant ------------------------------------------------------------------------------------------------------

    async def organization(self, org_id: str, *, members_from_claims: bool) -> Counts:
        """Erase this organisation, and whoever is a member of it; return what.

        With `members_from_claims` nobody is placed. Then those users go who have nothing in another organisation.
        """
        org_key = await self._org_key(org_id)
        if org_key is None:
            return Counts()
        counts = Counts(organization=1) + await self._tickets_of(org_id, org_key)
        async for page in self._pages(sql.FIND_MEMBERS, org_key):
            belonging = [row["member_key"] for row in page if row["belongs"]]
            counts["member"] += len(belonging)
            await self._remove(belonging)
        counts += await self._all_of(org_key, with_users=members_from_claims)
        if self._dry_run:
            (row,) = await self._rows(sql.COUNT_EVENTS, org_key)
            counts["system_event"] += row["events"]
        else:
            counts["system_event"] += await EventPruner(self._database).prune(org_key, _ALL)
            counts["system_event"] += await self._end(org_key)
        return counts

    async def sweep(self) -> Counts:
        """Delete what servers have written for organisations that were erased before they forgot the key."""
        counts = Counts()
        for row in await self._rows(sql.FIND_ENDED):
            counts += await self._all_of(row["org_key"], with_users=False)
        return counts

    async def _all_of(self, org_key: int, *, with_users: bool) -> Counts:
        counts = await self._keys(org_key, None)
        for find in sql.FIND_READERS, sql.FIND_NOTIFIED:
            async for page in self._pages(find, org_key):
                for start in range(0, len(page), MEMBERS_PER_STEP):
                    step = [row["member_key"] for row in page[start : start + MEMBERS_PER_STEP]]
                    counts += await self._members_of(org_key, step, find, with_users=with_users)
        return counts

    async def _members_of(self, org_key: int, member_keys: list[int], find: str, *, with_users: bool) -> Counts:
        if self._dry_run:
            counts = await paced(self._count_of(member_keys, org_key))
            # Each page of cursors is of marks or of notifications.
            tables = sql.TABLES_OF[find]
            counts = Counts({table: count for table, count in counts.items() if table in tables})
        else:
            counts = await self._erase(org_key, member_keys)
        if with_users:
            empty = await self._empty(member_keys, org_key)
            counts["member"] += len(empty)
            await self._remove(empty)
        return counts

    async def _end(self, org_key: int) -> int:
        """Delete the organisation's row in a transaction in which its stream is empty; return the last events."""

        async def step(connection: Connection) -> tuple[int, bool]:
            async with connection.transaction():
                await connection.rows(LOCK_STREAM, org_key)
                pruned = await connection.rows(PRUNE_EVENTS, org_key, _ALL, EVENTS_PER_STEP)
                end = _end if connection.batch == "mixed" else _end_in_steps
                ended = await end(connection, org_key)
                return sum(row["events"] for row in pruned), bool(ended)

        events, ended = 0, False
        while not ended:
            last, ended = await paced(self._database.run(step, repeatable=True))
            events += last
        return events

    # -- Of members who are removed already ----------------------------------------------------------------------------

    async def rows_of(self, member_keys: Sequence[int]) -> None:
        """Erase the marks and notifications of these members, in every organisation."""
        for start in range(0, len(member_keys), MEMBERS_PER_STEP):
            step = member_keys[start : start + MEMBERS_PER_STEP]
            for row in await self._rows(sql.ORGANIZATIONS_OF, step):
                await self._erase(row["org_key"], step)

    async def who_has_rows(self, member_keys: Sequence[int], *, but_in: int = 0) -> set[int]:
        """Those of the members who have any, in another organisation than `but_in`."""
        found = await self._rows(sql.FIND_READERS_ELSEWHERE, member_keys, but_in)
        found += await self._rows(sql.FIND_NOTIFIED_ELSEWHERE, member_keys, but_in)
        return {row["member_key"] for row in found}

    # -- Steps ---------------------------------------------------------------------------------------------------------

    async def _erase(self, org_key: int, member_keys: Sequence[int]) -> Counts:
        """Marks, notifications and cursors of these members, at most 100, in this organisation."""
        counts = Counts()
        for lock, erase, table, cursor in (
            (sql.LOCK_READERS, sql.ERASE_MARKS, "read_mark", "read_cursor"),
            (sql.LOCK_NOTIFIED, sql.ERASE_NOTIFICATIONS, "notification", "notification_cursor"),
        ):
            left = sorted(set(member_keys))
            while left:
                step = partial(_erase_step, lock=lock, erase=erase, org_key=org_key, member_keys=left)
                row = await paced(self._database.run(step, repeatable=True))
                counts += Counts({table: row["rows"], cursor: row["cursors"]})
                left = row["more"]
        return counts

    async def _empty(self, member_keys: list[int], org_key: int) -> list[int]:
        """Those of the members who are in no other organisation than this one, and have nothing in another."""
        if self._database.batch == "mixed":
            return [row["member_key"] for row in await self._rows(sql.FIND_EMPTY, member_keys, org_key)]
        outside = [row["member_key"] for row in await self._rows(sql.FIND_OUTSIDE, member_keys, org_key)]
        having = await self.who_has_rows(outside, but_in=org_key)
        return [key for key in outside if key not in having]

    async def _without_cursors(self, member_keys: Sequence[int]) -> Counts:
        """What removed members have without a cursor: from before the upgrade, or written just now."""
        counts = Counts()
        if self._database.batch == "organization":
            return counts  # the upgrade is finished, and what is written just now goes with the sweep
        for member_key in member_keys:
            for table, statement in (
                ("read_mark", DELETE_MARKS_OF_REMOVED),
                ("notification", DELETE_NOTIFICATIONS_OF_REMOVED),
            ):
                counts[table] += await self._database.delete(statement, member_key, batch=ROWS_PER_STEP)
        return counts

    async def _keys(self, org_key: int, user_id: str | None) -> Counts:
        if self._dry_run:
            (row,) = await self._rows(sql.COUNT_KEYS, org_key, user_id)
            return Counts(idempotency_key=row["keys"])
        deleted = await self._database.delete(
            sql.ERASE_KEYS[self._database.batch], org_key, user_id, batch=ROWS_PER_STEP
        )
        return Counts(idempotency_key=deleted)

    async def _tickets(self, user_id: str, org_id: str | None) -> Counts:
        statement = sql.COUNT_TICKETS if self._dry_run else sql.ERASE_TICKETS
        (row,) = await self._rows(statement, user_id, org_id)
        return Counts(watch_ticket=row["tickets"])

    async def _tickets_of(self, org_id: str, org_key: int) -> Counts:
        if self._database.batch == "mixed":
            statement = sql.COUNT_TICKETS_OF_ORGANIZATION if self._dry_run else sql.ERASE_TICKETS_OF_ORGANIZATION
            (row,) = await self._rows(statement, org_id, org_key)
        else:
            asked = [row["user_id"] for row in await self._rows(sql.FIND_TICKET_USERS)]
            users = [row["user_id"] for row in await self._rows(sql.FIND_USERS_OF, asked, org_key)]
            statement = sql.COUNT_TICKETS_OF_USERS if self._dry_run else sql.ERASE_TICKETS_OF_USERS
            (row,) = await self._rows(statement, org_id, users)
        return Counts(watch_ticket=row["tickets"])

    async def _unname(self, org_key: int, user_id: str) -> Counts:
        """Take the user out of the organisation's events, and out of others' notifications."""
        events = sql.COUNT_NAMED_EVENTS if self._dry_run else sql.UNNAME_EVENTS
        notifications = sql.COUNT_NAMED_NOTIFICATIONS if self._dry_run else sql.UNNAME_NOTIFICATIONS
        counts = Counts()
        for name, statement, first in ("system_event", events, 0), ("notification", notifications, ""):
            last: int | str | None = first
            while last is not None:
                (row,) = await paced(self._rows(statement, org_key, last, LOOKED_AT_PER_STEP, user_id))
                last = row["last"]
                counts[f"{name} unnamed"] += row["named"]
        return counts

    async def _remove(self, member_keys: list[int]) -> None:
        if member_keys and not self._dry_run:
            await self._rows(sql.REMOVE, member_keys)
            await self._rows(sql.UNNAME, member_keys)

    async def _count_of(self, member_keys: list[int], org_key: int | None) -> Counts:
        (row,) = await self._rows(sql.COUNT_OF, member_keys, org_key)
        return Counts(dict(row.items()))

    async def _org_key(self, org_id: str) -> int | None:
        rows = await self._rows(sql.FIND_ORGANIZATION, org_id)
        return rows[0]["org_key"] if rows else None

    async def _organizations(self) -> AsyncIterator[int]:
        after, found = 0, PER_PAGE
        while found == PER_PAGE:
            rows = await self._rows(sql.FIND_ORGANIZATIONS, after, PER_PAGE)
            for row in rows:
                yield row["org_key"]
            found, after = len(rows), rows[-1]["org_key"] if rows else 0

    async def _pages(self, find: str, org_key: int) -> AsyncIterator[list[Row]]:
        """Members by page; what is done with one may delete what it was found by."""
        after, found = 0, PER_PAGE
        while found == PER_PAGE:
            rows = await paced(self._rows(find, org_key, after, PER_PAGE))
            if rows:
                yield rows
            found, after = len(rows), rows[-1]["member_key"] if rows else 0

    async def _rows(self, statement: str, *args: object) -> list[Row]:
        return await self._database.rows(statement, *args, repeatable=True)


_KEY_ORGANIZATIONS: Final[dict[Batch, str]] = {
    "mixed": sql.FIND_KEY_ORGANIZATIONS,
    "organization": sql.FIND_ALL_KEY_ORGANIZATIONS,
}


async def _end(connection: Connection, org_key: int) -> list[Row]:
    return await connection.rows(sql.END_ORGANIZATION, org_key)


async def _end_in_steps(connection: Connection, org_key: int) -> list[Row]:
    if not await connection.rows(sql.FIND_EMPTY_STREAM, org_key):
        return []
    return await connection.rows(sql.DELETE_ORGANIZATION, org_key)


async def _erase_step(
    connection: Connection, *, lock: str, erase: dict[Batch, str], org_key: int, member_keys: Sequence[int]
) -> Row:
    async with connection.transaction():
        await connection.rows(lock, org_key, member_keys)
        (row,) = await connection.rows(
            erase[connection.batch], org_key, member_keys, max(1, ROWS_PER_STEP // len(member_keys))
        )
        return row
