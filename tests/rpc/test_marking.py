"""MarkRead and MarkUnread: what counts as changed, and what as matched."""

import asyncio

import asyncpg
import pytest

from readstate.client import ReadState
from readstate.errors import InvalidEventIds, NoOrganization, TooManyEventIds, UnknownUser
from readstate.model import MarkResult
from tests.conftest import ClientFor

LARGEST = 2**63 - 1


async def test_marking_unread_events_changes_them(ada: ReadState) -> None:
    assert await ada.mark_read([1, 2, 3]) == MarkResult(changed=3, matched=3)


async def test_marking_again_changes_nothing_and_matches_the_same(ada: ReadState) -> None:
    await ada.mark_read([1, 2])
    assert await ada.mark_read([1, 2, 3]) == MarkResult(changed=1, matched=3)
    assert await ada.mark_read([1, 2, 3]) == MarkResult(changed=0, matched=3)


async def test_marking_unread_is_the_reverse(ada: ReadState) -> None:
    await ada.mark_read([1, 2])
    assert await ada.mark_unread([2, 3]) == MarkResult(changed=1, matched=2)
    assert await ada.mark_unread([2, 3]) == MarkResult(changed=0, matched=2)
    assert await ada.mark_read([1, 2, 3]) == MarkResult(changed=2, matched=3)


async def test_a_duplicate_counts_once(ada: ReadState) -> None:
    assert await ada.mark_read([7, 7, 8, 7]) == MarkResult(changed=2, matched=2)
    assert await ada.mark_unread([7, 7]) == MarkResult(changed=1, matched=1)


async def test_ids_of_zero_or_less_name_nothing(ada: ReadState) -> None:
    assert await ada.mark_read([0, -1, -LARGEST - 1, 5]) == MarkResult(changed=1, matched=1)
    assert await ada.mark_unread([0, -5, 5]) == MarkResult(changed=1, matched=1)


async def test_an_id_that_names_no_event_is_ignored(ada: ReadState) -> None:
    assert await ada.mark_read([LARGEST, 4]) == MarkResult(changed=1, matched=1)
    assert await ada.mark_unread([LARGEST]) == MarkResult(changed=0, matched=0)


@pytest.mark.parametrize("event_ids", [[], [0], [-1, 0, -LARGEST - 1]], ids=["none", "zero", "negative"])
async def test_without_a_positive_id_the_call_is_refused(ada: ReadState, event_ids: list[int]) -> None:
    for method in ada.mark_read, ada.mark_unread:
        with pytest.raises(InvalidEventIds) as raised:
            await method(event_ids)
        assert (raised.value.field, str(raised.value)) == ("event_ids", "Missing or invalid id or ids")


async def test_ten_thousand_entries_are_taken_and_one_more_is_refused(ada: ReadState) -> None:
    assert await ada.mark_read(range(1, 10_001)) == MarkResult(changed=50, matched=50)
    assert await ada.mark_unread([1] * 10_000) == MarkResult(changed=1, matched=1)
    for method in ada.mark_read, ada.mark_unread:
        for entries in range(1, 10_002), [1] * 10_001, [0] * 10_001:
            with pytest.raises(TooManyEventIds, match="Too many ids: at most 10000"):
                await method(entries)


async def test_who_is_in_no_organisation_can_read_nothing_and_has_nothing_to_unread(carol: ReadState) -> None:
    with pytest.raises(NoOrganization, match="User not associated with an organization"):
        await carol.mark_read([1])
    assert await carol.mark_unread([1]) == MarkResult(changed=0, matched=0)
    with pytest.raises(InvalidEventIds):
        await carol.mark_unread([])


async def test_a_user_whom_nobody_has_named_is_unknown(client_for: ClientFor) -> None:
    stranger = client_for("stranger", org="acme")
    for method in stranger.mark_read, stranger.mark_unread:
        with pytest.raises(UnknownUser, match="user not found"):
            await method([1])


async def test_the_first_time_of_reading_is_kept(ada: ReadState, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await ada.mark_read([1])
    first = await connection.fetchval("SELECT read_at FROM read_mark")
    await ada.mark_read([1])
    assert await connection.fetchval("SELECT read_at FROM read_mark") == first
    await connection.close()


async def test_each_member_has_marks_of_their_own(ada: ReadState, grace: ReadState) -> None:
    await ada.mark_read([1, 2])
    assert await grace.mark_read([1]) == MarkResult(changed=1, matched=1)
    assert await grace.mark_unread([1, 2]) == MarkResult(changed=1, matched=2)
    assert await ada.mark_unread([1, 2]) == MarkResult(changed=2, matched=2)


async def test_calls_at_the_same_time_are_credited_once_for_each_change(ada: ReadState) -> None:
    results = await asyncio.gather(*(ada.mark_read([1, 2, 3, 51, i]) for i in range(1, 51)))
    assert sum(result.changed for result in results) == 50
    assert [result.matched for result in results] == [3] * 3 + [4] * 47
    results = await asyncio.gather(*(ada.mark_unread([1, 2, 3, 51, i]) for i in range(1, 51)))
    assert sum(result.changed for result in results) == 50
    assert [result.matched for result in results] == [3] * 3 + [4] * 47
