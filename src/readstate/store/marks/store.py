"""Read marks: which member has read which event."""

import asyncio
from collections.abc import Sequence

from readstate.model import MarkResult, OrgMember
from readstate.store.group_commit import GroupCommit, Write
from readstate.store.marks import sql
from readstate.store.pool import Database
from readstate.telemetry.metrics import LaneMetrics, Metrics


class MarkStore:
    """The mark table. Both methods are safe to repeat, take distinct ids in any order, and raise as `Database.run`.

    Calls at the same time share statements: see GroupCommit for what that promises.
    """

    def __init__(self, database: Database, metrics: Metrics) -> None:
        self._reads = _lane(database, sql.MARK_READ, sql.MARK_READ_TOGETHER, metrics.lane("read"))
        self._unreads = _lane(database, sql.MARK_UNREAD, sql.MARK_UNREAD_TOGETHER, metrics.lane("unread"))

    async def mark_read(self, member: OrgMember, event_ids: Sequence[int]) -> MarkResult:
        """Mark the events of the member's organisation as read; other ids name nothing. The first mark wins."""
        return await self._reads.submit(member, event_ids)

    async def mark_unread(self, member: OrgMember, event_ids: Sequence[int]) -> MarkResult:
        """Remove the member's marks of these events; other ids name nothing."""
        return await self._unreads.submit(member, event_ids)

    async def drain(self) -> None:
        """Wait for writes in flight, also those whose callers have left."""
        await asyncio.gather(self._reads.drain(), self._unreads.drain())


def _lane(database: Database, alone: str, together: str, metrics: LaneMetrics) -> GroupCommit:
    async def write_alone(member: OrgMember, event_ids: Sequence[int]) -> MarkResult:
        (row,) = await database.rows(alone, member.org_key, member.member_key, event_ids, repeatable=True)
        return MarkResult(changed=row["changed"], matched=row["matched"])

    async def write_together(batch: Sequence[Write]) -> list[MarkResult]:
        if len(batch) == 1:
            return [await write_alone(batch[0].member, batch[0].event_ids)]
        rows = await database.rows(together, *_columns(batch), repeatable=True)
        results = [MarkResult(changed=0, matched=0)] * len(batch)
        for call, matched, changed in rows:
            results[call] = MarkResult(changed=changed, matched=matched)
        return results

    return GroupCommit(write_alone, write_together, metrics)


def _columns(batch: Sequence[Write]) -> tuple[list[int], list[int], list[int], list[int]]:
    """One entry for each id of each call: the call's place in the batch, organisation, member and event."""
    calls: list[int] = []
    org_keys: list[int] = []
    member_keys: list[int] = []
    event_ids: list[int] = []
    for call, write in enumerate(batch):
        count = len(write.event_ids)
        calls += [call] * count
        org_keys += [write.member.org_key] * count
        member_keys += [write.member.member_key] * count
        event_ids += write.event_ids
    return calls, org_keys, member_keys, event_ids
