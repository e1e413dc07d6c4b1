"""Notifications: what each member has been told, and how far they have taken notice."""

import os
import re
from collections.abc import Sequence
from typing import Final

from readstate.errors import NotificationNotFound
from readstate.model import (
    Notification,
    NotificationContent,
    NotificationPage,
    NotificationQuery,
    OrgMember,
    Status,
    UnreadSummary,
)
from readstate.store.notifications import sql
from readstate.store.pool import Connection, Database, Row
from readstate.store.read_cursor.phase import CursorPhase

_ID: Final = re.compile(r"nf_[a-z0-9]{12}", re.ASCII)
_LENGTH: Final = 12
_ALPHABET: Final = b"abcdefghijklmnopqrstuvwxyz0123456789"
_LETTERS: Final = bytes(_ALPHABET[byte % len(_ALPHABET)] for byte in range(256))
_UNEVEN: Final = bytes(range(256 - 256 % len(_ALPHABET), 256))
"""Bytes that would make the first letters more likely than the last."""

_NEWEST: Final = 2**63 - 1

ROWS_PER_STEP: Final = 5_000
"""Notifications that one transaction of an action on all changes."""

_LISTS: Final = {
    None: sql.LIST_FEED,
    Status.UNSEEN: sql.LIST_UNSEEN,
    Status.SEEN: sql.LIST_SEEN,
    Status.READ: sql.LIST_READ,
    Status.DISMISSED: sql.LIST_DISMISSED,
}


class NotificationStore:
    """The notification table. Raises as `Database.run`. All but `create` are safe to repeat.

    The promise:
    - A member's list is in the order in which creations were committed. Nothing is ever inserted before what a member
      has been shown, and no place changes.
    - An action sets a time that is not set, and no time twice. An action that changes nothing writes nothing.
    - What an action returns is how it left the notification, or found it, whoever acts at the same time.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._phase = CursorPhase(database)

    async def create(self, recipients: Sequence[OrgMember], content: NotificationContent) -> list[str]:
        """Create one notification for each recipient, all of one organisation; return the ids in order."""
        if not recipients:
            return []

        async def work(connection: Connection) -> list[str]:
            # Drawn anew in every attempt: one that is taken is the reason for the next.
            ids = new_ids(len(recipients))
            member_keys = [member.member_key for member in recipients]
            create = _create if connection.batch == "mixed" else _create_in_steps
            await create(connection, recipients[0].org_key, member_keys, ids, content)
            return ids

        return await self._database.run(work, repeatable=False)

    async def find(self, member: OrgMember, notification_id: str) -> Notification:
        """One of the member's notifications.

        Raises:
            NotificationNotFound: the member has no such notification.
        """
        return await self._one(sql.FIND_NOTIFICATION, member, notification_id)

    async def page(self, member: OrgMember, query: NotificationQuery) -> NotificationPage:
        """The member's notifications, newest first."""
        before = _NEWEST if query.before is None else query.before
        # One more than asked for says whether there is another page.
        rows = await self._database.rows(
            _LISTS[query.status],
            member.member_key,
            member.org_key,
            before,
            query.category,
            query.limit + 1,
            "sender" in query.included,
            "resource" in query.included,
            repeatable=True,
        )
        shown = rows[: query.limit]
        next_before = shown[-1]["seq"] if len(rows) > query.limit else None
        return NotificationPage([Notification._make(row) for row in shown], next_before)

    async def unread_summary(self, member: OrgMember) -> UnreadSummary:
        """How many of the member's notifications want attention."""
        rows = await self._database.rows(sql.UNREAD_SUMMARY, member.member_key, member.org_key, repeatable=True)
        if not rows and not await self._phase.is_finished():
            rows = await self._database.rows(sql.COUNT_UNREAD, member.member_key, member.org_key, repeatable=True)
        # Who has no cursor has never had a notification.
        return UnreadSummary(rows[0]["unseen"], rows[0]["unread"], rows[0]["version"]) if rows else UnreadSummary(0, 0)

    async def mark_seen(self, member: OrgMember, notification_id: str) -> Notification:
        """Mark as seen what is not seen, read or dismissed. Raises NotificationNotFound as `find`."""
        return await self._one(sql.MARK_SEEN, member, notification_id)

    async def mark_read(self, member: OrgMember, notification_id: str) -> Notification:
        """Mark as read, and seen, what is not read or dismissed. Raises NotificationNotFound as `find`."""
        return await self._one(sql.MARK_READ, member, notification_id)

    async def dismiss(self, member: OrgMember, notification_id: str) -> Notification:
        """Dismiss what is not dismissed. Raises NotificationNotFound as `find`."""
        return await self._one(sql.DISMISS, member, notification_id)

    async def mark_all_seen(self, member: OrgMember, up_to: str | None) -> int:
        """Mark as seen what is unseen, `up_to` and older or all that is committed; return how many.

        In steps from the oldest on, each a transaction: a call whose time is up has done a part, and may be repeated.

        Raises:
            NotificationNotFound: the member has no notification with the id `up_to`.
        """
        return await self._change_all(sql.MARK_ALL_SEEN, member, up_to)

    async def mark_all_read(self, member: OrgMember, up_to: str | None) -> int:
        """Mark as read what is unread, `up_to` and older or all that is committed; return how many.

        In steps, each a transaction, as `mark_all_seen`.

        Raises:
            NotificationNotFound: the member has no notification with the id `up_to`.
        """
        return await self._change_all(sql.MARK_ALL_READ, member, up_to)

    async def _change_all(self, statement: str, member: OrgMember, up_to: str | None) -> int:
        if up_to is not None:
            _require_form(up_to)
        keys = member.member_key, member.org_key
        (row,) = await self._database.rows(sql.FIND_NEWEST, *keys, up_to, repeatable=True)
        if (newest := row["seq"]) is None and up_to is not None:
            raise NotificationNotFound

        async def step(connection: Connection) -> Row:
            async with connection.transaction():
                await _lock(connection, member)
                return (await connection.rows(statement, *keys, after, newest, ROWS_PER_STEP))[0]

        total, after, changed = 0, 0, ROWS_PER_STEP
        while changed == ROWS_PER_STEP:
            row = await self._database.run(step, repeatable=True)
            changed, after = row["changed"], row["last"]
            total += changed
        return total

    async def _one(self, statement: str, member: OrgMember, notification_id: str) -> Notification:
        _require_form(notification_id)
        arguments = member.member_key, member.org_key, notification_id
        rows = await self._database.rows(statement, *arguments, repeatable=True)
        if not rows and not await self._phase.is_finished():
            # Not found, or found without a cursor.
            await self._database.run(lambda connection: _make_cursor(connection, member), repeatable=True)
            rows = await self._database.rows(statement, *arguments, repeatable=True)
        if not rows:
            raise NotificationNotFound
        return Notification._make(rows[0])


async def _create(
    connection: Connection, org_key: int, member_keys: list[int], ids: list[str], content: NotificationContent
) -> None:
    await connection.rows(sql.CREATE_NOTIFICATIONS, org_key, member_keys, ids, *content)


async def _create_in_steps(
    connection: Connection, org_key: int, member_keys: list[int], ids: list[str], content: NotificationContent
) -> None:
    async with connection.transaction():
        await connection.rows(sql.RAISE_STREAM, org_key)
        await connection.rows(sql.INSERT_NOTIFICATIONS, org_key, member_keys, ids, *content)
        await connection.rows(sql.COUNT_CREATED, org_key, member_keys)


async def _make_cursor(connection: Connection, member: OrgMember) -> None:
    await connection.rows_of(sql.MAKE_CURSORS, [member.org_key], [member.member_key])


async def _lock(connection: Connection, member: OrgMember) -> None:
    """Lock the member's cursor until the transaction ends. One that is missing is made, if the upgrade has begun."""
    if not await connection.rows(sql.LOCK_CURSOR, member.member_key, member.org_key):
        await _make_cursor(connection, member)
        await connection.rows(sql.LOCK_CURSOR, member.member_key, member.org_key)


def new_ids(count: int) -> list[str]:
    """Random ids: `nf_` and 12 of a-z0-9, 62 bits."""
    letters = b""
    while len(letters) < count * _LENGTH:
        letters += os.urandom(count * (_LENGTH + 1)).translate(_LETTERS, _UNEVEN)
    text = letters.decode()
    return [f"nf_{text[start : start + _LENGTH]}" for start in range(0, count * _LENGTH, _LENGTH)]


def _require_form(notification_id: str) -> None:
    # PostgreSQL refuses some texts. Whoever sends one learns no more than anybody else.
    if not _ID.fullmatch(notification_id):
        raise NotificationNotFound
