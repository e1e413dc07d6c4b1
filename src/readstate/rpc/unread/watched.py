"""A member whose state is being told: the newest state, and who waits for the next one."""

from readstate.changes import Changes
from readstate.errors import ReadStateError, StateLost
from readstate.model import InboxState, OrgMember
from readstate.store.unread import Known


class Watched:
    """Shared by all streams of the member. Times are those of the event loop."""

    __slots__ = ("_taken_at", "changes", "ended", "known", "org_id", "streams")

    def __init__(self, member: OrgMember, org_id: str) -> None:
        self.known = Known(member)
        self.org_id = org_id
        self.streams = 0
        self.ended: ReadStateError | None = None
        """Why all streams of the member end."""
        self._taken_at = 0.0
        self.changes = Changes()
        """Each `publish` and `end` that tells anything."""

    @property
    def member(self) -> OrgMember:
        return self.known.member

    @property
    def state(self) -> InboxState | None:
        """The newest one."""
        return self.known.state

    def publish(self, found: Known, asked_at: float, now: float) -> None:
        """Take a state that was asked for at `asked_at`, if it is newer than the one that is there.

        Answers may overtake each other, so an older one means nothing. But the database has gone back if it was asked
        after the newer one had come.
        """
        state, before = found.state, self.state
        assert state is not None, "what is published is a state"  # noqa: S101
        if before is None or _not_older(state, before):
            # Pruning may change a count and no version: then the answer to the later question is right.
            newer = before is None or state.versions != before.versions
            if newer or (asked_at >= self._taken_at and found != self.known):
                self.known, self._taken_at = found, now
                if state != before:
                    self.changes.tell()
        elif asked_at >= self._taken_at:
            self.end(StateLost())

    def end(self, reason: ReadStateError) -> None:
        """End all streams of the member."""
        self.ended = reason
        self.changes.tell()


def _not_older(state: InboxState, than: InboxState) -> bool:
    return all(a >= b for a, b in zip(state.versions, than.versions, strict=True))
