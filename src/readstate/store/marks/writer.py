"""How marks are written: alone, waiting for the member's cursor, or together, skipping the cursors that are busy."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from readstate.model import MarkResult, OrgMember
from readstate.store.failures import SerializationConflict
from readstate.store.marks.sql import MARK_READ, MARK_READ_TOGETHER, MARK_READ_UNLESS_BUSY, MARK_UNREAD_TOGETHER
from readstate.store.pool import Connection, Database, Row
from readstate.store.read_cursor.lock import lock
from readstate.store.read_cursor.sql import MAKE_CURSORS


@dataclass(slots=True)
class Mark:
    """What one call wants to be marked. `event_ids` are distinct."""

    member: OrgMember
    event_ids: Sequence[int]


class MarkWriter(ABC):
    """Writes marks of one kind, for a lane of group commit. Raises as `Database.run`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def alone(self, mark: Mark) -> MarkResult:
        """One call. Waits for the cursor in a statement of its own: the next one sees the rows as of the lock."""

        async def work(connection: Connection) -> MarkResult:
            async with connection.transaction():
                await lock(connection, mark.member)
                (result,) = await self._write(connection, [mark])
                if result is None:  # a removed member's cursor was deleted in between
                    raise SerializationConflict
                return result

        return await self._database.run(work, repeatable=True)

    async def together(self, batch: Sequence[Mark]) -> list[MarkResult | None]:
        """Many calls. None for one whose cursor is busy. A cursor that is missing is made, and its calls go again."""

        async def work(connection: Connection) -> list[MarkResult | None]:
            results = await self._write(connection, batch)
            left = [call for call, result in enumerate(results) if result is None]
            if left and await connection.rows_of(MAKE_CURSORS, *_keys(batch[call].member for call in left)):
                again = await self._write(connection, [batch[call] for call in left])
                for call, result in zip(left, again, strict=True):
                    results[call] = result
            return results

        return await self._database.run(work, repeatable=True)

    @abstractmethod
    async def _write(self, connection: Connection, batch: Sequence[Mark]) -> list[MarkResult | None]:
        """Many calls. None for one whose cursor is busy or missing."""


class UnreadWriter(MarkWriter):
    """Marks as unread."""

    async def _write(self, connection: Connection, batch: Sequence[Mark]) -> list[MarkResult | None]:
        return results_of(batch, await connection.rows(MARK_UNREAD_TOGETHER, *columns_of(batch)))


class ReadWriter(MarkWriter):
    """Marks as read."""

    async def _write(self, connection: Connection, batch: Sequence[Mark]) -> list[MarkResult | None]:
        return results_of(batch, await connection.rows(MARK_READ_TOGETHER, *columns_of(batch)))

    async def alone(self, mark: Mark) -> MarkResult:
        # In one statement where there is a cursor: a mark needs no newer snapshot than its lock.
        return await self._in_one_statement(MARK_READ, mark) or await super().alone(mark)

    async def together(self, batch: Sequence[Mark]) -> list[MarkResult | None]:
        if len(batch) == 1 and (result := await self._in_one_statement(MARK_READ_UNLESS_BUSY, *batch)):
            return [result]
        return await super().together(batch)

    async def _in_one_statement(self, statement: str, mark: Mark) -> MarkResult | None:
        """One call. None where the statement has found no cursor, and has changed nothing."""
        org_key, member_key = mark.member.org_key, mark.member.member_key
        (row,) = await self._database.rows(statement, org_key, member_key, mark.event_ids, repeatable=True)
        if row["version"] is None:
            return None
        return MarkResult(row["changed"], row["matched"], row["version"])


def results_of(batch: Sequence[Mark], rows: Sequence[Row | Mapping[str, Any]]) -> list[MarkResult | None]:
    """What each call is told, from rows of a call's place in the batch, `matched`, `changed` and `version`."""
    results: list[MarkResult | None] = [None] * len(batch)
    changed = {batch[row["call"]].member for row in rows if row["changed"]}
    for row in rows:
        if row["version"] is not None:
            # All calls of a member in the batch are one change.
            version = row["version"] + (batch[row["call"]].member in changed)
            results[row["call"]] = MarkResult(row["changed"], row["matched"], max(version, 0))
    return results


def _keys(members: Iterable[OrgMember]) -> tuple[list[int], list[int]]:
    """Organisations and members, each pair once."""
    pairs = sorted({(member.org_key, member.member_key) for member in members})
    return [org_key for org_key, _ in pairs], [member_key for _, member_key in pairs]


def columns_of(batch: Sequence[Mark]) -> tuple[list[int], list[int], list[int], list[int]]:
    """One entry for each id of each call: the call's place in the batch, organisation, member and event."""
    calls: list[int] = []
    org_keys: list[int] = []
    member_keys: list[int] = []
    event_ids: list[int] = []
    for call, mark in enumerate(batch):
        count = len(mark.event_ids)
        calls += [call] * count
        org_keys += [mark.member.org_key] * count
        member_keys += [mark.member.member_key] * count
        event_ids += mark.event_ids
    return calls, org_keys, member_keys, event_ids
