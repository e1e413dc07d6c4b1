"""Read marks: which member has read which event."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from readstate.model import MarkResult, OrgMember
from readstate.store.group_commit import GroupCommit
from readstate.store.inbox.count import UnreadCounts
from readstate.store.marks.sql import MARK_READ_TOGETHER, MARK_UNREAD_TOGETHER
from readstate.store.marks.writer import MarkWriter, ReadWriter
from readstate.store.pool import Database
from readstate.telemetry.metrics import LaneMetrics, Metrics


class MarkStore:
    """The mark table. Both methods are safe to repeat, take distinct ids in any order, and raise as `Database.run`.

    Calls at the same time share statements: see GroupCommit for what that promises.
    """

    def __init__(self, database: Database, metrics: Metrics) -> None:
        self._counts = UnreadCounts(database)
        self._reads = _lane(ReadWriter(database, MARK_READ_TOGETHER), metrics.lane("read"))
        self._unreads = _lane(MarkWriter(database, MARK_UNREAD_TOGETHER), metrics.lane("unread"))

    async def mark_read(self, member: OrgMember, event_ids: Sequence[int], with_state: bool = False) -> MarkResult:
        """Mark the events of the member's organisation as read; other ids name nothing. The first mark wins.

        `with_state` asks for what is unread afterwards, from one snapshot that is later than the mark.

        Raises:
            Migrating: the state is asked for, and the upgrade to read cursors is not finished. Nothing is marked.
        """
        return await self._mark(self._reads, member, event_ids, with_state)

    async def mark_unread(self, member: OrgMember, event_ids: Sequence[int], with_state: bool = False) -> MarkResult:
        """Remove the member's marks of these events; other ids name nothing. `with_state` as in `mark_read`."""
        return await self._mark(self._unreads, member, event_ids, with_state)

    async def drain(self) -> None:
        """Wait for writes in flight, also those whose callers have left."""
        await asyncio.gather(self._reads.drain(), self._unreads.drain())

    async def _mark(
        self, lane: GroupCommit, member: OrgMember, event_ids: Sequence[int], with_state: bool
    ) -> MarkResult:
        if not with_state:
            return await lane.submit(member, event_ids)
        await self._counts.require_finished()
        result = await lane.submit(member, event_ids)
        state = await self._counts.of(member)
        return replace(result, version=state.version, state=state)


def _lane(writer: MarkWriter, metrics: LaneMetrics) -> GroupCommit:
    return GroupCommit(writer.alone, writer.together, metrics)
