"""A member whose state is being told: the newest state, and who waits for the next one."""

import asyncio

from readstate.errors import ReadStateError, StateLost
from readstate.model import InboxState, OrgMember


class Watched:
    """Shared by all streams of the member. Times are those of the event loop."""

    __slots__ = ("_changed", "_taken_at", "ended", "member", "org_id", "state", "streams")

    def __init__(self, member: OrgMember, org_id: str) -> None:
        self.member = member
        self.org_id = org_id
        self.streams = 0
        self.state: InboxState | None = None
        self.ended: ReadStateError | None = None
        """Why all streams of the member end."""
        self._taken_at = 0.0
        self._changed = asyncio.Event()

    def publish(self, state: InboxState, asked_at: float, now: float) -> None:
        """Take a state that was asked for at `asked_at`, if it is newer than the one that is there.

        Answers may overtake each other, so an older one means nothing. But the database has gone back if it was asked
        after the newer one had come.
        """
        if self.state is None or _not_older(state, self.state):
            # Pruning may change a count and no version: then the answer to the later question is right.
            newer = self.state is None or state.versions != self.state.versions
            if newer or (asked_at >= self._taken_at and state != self.state):
                self.state, self._taken_at = state, now
                self._tell()
        elif asked_at >= self._taken_at:
            self.end(StateLost())

    def end(self, reason: ReadStateError) -> None:
        """End all streams of the member."""
        self.ended = reason
        self._tell()

    async def changes(self) -> None:
        """Wait for the next `publish` or `end` that tells anything."""
        await self._changed.wait()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _not_older(state: InboxState, than: InboxState) -> bool:
    return all(a >= b for a, b in zip(state.versions, than.versions, strict=True))
