"""Answers that overtake each other."""

from readstate.errors import StateLost
from readstate.model import InboxState, OrgMember, UnreadState, UnreadSummary
from readstate.rpc.unread.watched import Watched
from readstate.store.unread import Known

ADA = OrgMember(1, 1)


def state(head: int, version: int, notifications: int = 0, *, unread: int = 0) -> InboxState:
    return InboxState(UnreadState(unread, head, version), UnreadSummary(0, 0, notifications))


def watched(*published: tuple[InboxState, float, float]) -> Watched:
    """A member for whom these have come: the state, when it was asked for, and when it came."""
    found = Watched(ADA, "acme")
    for each, asked_at, now in published:
        found.publish(Known(ADA, each, 0), asked_at, now)
    return found


async def test_an_older_answer_that_comes_later_means_nothing() -> None:
    found = watched((state(2, 5), 1.0, 2.0), (state(1, 4), 0.5, 3.0), (state(3, 4), 1.9, 3.1))
    assert (found.state, found.ended) == (state(2, 5), None)


async def test_the_database_has_gone_back_if_the_older_answer_was_asked_for_later() -> None:
    for older in state(1, 5, 7), state(2, 4, 7), state(2, 5, 6), state(3, 6, 6):
        found = watched((state(2, 5, 7), 1.0, 2.0), (older, 2.0, 2.5))
        assert isinstance(found.ended, StateLost)


async def test_a_newer_answer_is_taken_whenever_it_was_asked_for() -> None:
    found = watched((state(2, 5), 1.0, 2.0), (state(2, 5, 1), 0.5, 3.0))
    assert found.state is not None
    assert found.state.versions == (2, 5, 1)


async def test_a_count_may_change_alone_when_events_are_pruned() -> None:
    before, after = state(2, 0, unread=2), state(2, 0, unread=1)
    assert watched((before, 1.0, 2.0), (after, 2.0, 3.0)).state == after
    assert watched((after, 2.0, 3.0), (before, 1.0, 3.5)).state == after
