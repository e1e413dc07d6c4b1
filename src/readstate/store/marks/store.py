"""Read marks: which member has read which event."""

from collections.abc import Awaitable, Sequence
from dataclasses import replace
from typing import Final

from readstate.model import MarkResult, OrgMember
from readstate.store.by_organization import Batch
from readstate.store.group_commit import GroupCommit, Lane
from readstate.store.inbox.count import UnreadCounts
from readstate.store.marks.organization import OrganizationReadWriter, OrganizationUnreadWriter
from readstate.store.marks.writer import Mark, MarkWriter, ReadWriter, UnreadWriter
from readstate.store.pool import Database
from readstate.telemetry.metrics import Metrics

_WRITERS: Final[dict[Batch, tuple[type[MarkWriter], type[MarkWriter]]]] = {
    "mixed": (ReadWriter, UnreadWriter),
    "organization": (OrganizationReadWriter, OrganizationUnreadWriter),
}


class MarkStore:
    """The mark table. Both methods are safe to repeat, take distinct ids in any order, and raise as `Database.run`.

    Calls at the same time share statements: see `store.group_commit` for what that promises.
    """

    def __init__(self, database: Database, metrics: Metrics) -> None:
        self._counts = UnreadCounts(database)
        self._commit = GroupCommit(database.size, database.batch)
        of_reads, of_unreads = _WRITERS[database.batch]
        reads, unreads = of_reads(database), of_unreads(database)
        self._reads = self._commit.lane(reads.alone, reads.together, metrics.lane("read"))
        self._unreads = self._commit.lane(unreads.alone, unreads.together, metrics.lane("unread"))

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
        await self._commit.drain()

    async def _mark(
        self, lane: Lane[Mark, MarkResult], member: OrgMember, event_ids: Sequence[int], with_state: bool
    ) -> MarkResult:
        if not with_state:
            return await _submit(lane, member, event_ids)
        await self._counts.require_finished()
        result = await _submit(lane, member, event_ids)
        state = await self._counts.of(member)
        return replace(result, version=state.version, state=state)


def _submit(lane: Lane[Mark, MarkResult], member: OrgMember, event_ids: Sequence[int]) -> Awaitable[MarkResult]:
    return lane.submit(Mark(member, event_ids), who=member, org_key=member.org_key, size=len(event_ids))
