"""Whose calls leave when, and which connections they take."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import pytest

from readstate.errors import Overloaded
from readstate.model import MarkResult, OrgMember
from readstate.store.group_commit import commit
from readstate.store.group_commit.lane import MOST_IDS
from readstate.store.marks.store import MarkStore
from readstate.store.marks.writer import Mark
from tests.store import data
from tests.store.data import Connection
from tests.waiting import until

EVENTS = MOST_IDS + 1
LARGE = range(1, EVENTS + 1)


class Held:
    """The statements of a lane, which begin when the test lets them."""

    def __init__(self, marks: MarkStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go_on = asyncio.Event()
        self.alone: list[Mark] = []
        self.batches: list[Sequence[Mark]] = []
        lane = marks._reads
        alone, together = lane._alone, lane._together

        async def held_alone(mark: Mark) -> MarkResult:
            self.alone.append(mark)
            await self.go_on.wait()
            return await alone(mark)

        async def held_together(batch: Sequence[Mark]) -> Sequence[MarkResult | None]:
            self.batches.append(batch)
            await self.go_on.wait()
            return await together(batch)

        monkeypatch.setattr(lane, "_alone", held_alone)
        monkeypatch.setattr(lane, "_together", held_together)


@pytest.fixture
async def held(connection: Connection, marks: MarkStore, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Held]:
    await data.load(connection, events=EVENTS, members=1)
    held = Held(marks, monkeypatch)
    yield held
    held.go_on.set()


def call(marks: MarkStore, org_key: int, member_key: int, event_ids: Sequence[int]) -> "asyncio.Task[MarkResult]":
    return asyncio.create_task(marks.mark_read(OrgMember(member_key, org_key), event_ids))


async def test_large_calls_take_at_most_half_of_the_pool(marks: MarkStore, held: Held) -> None:
    calls = [call(marks, 1, member, LARGE) for member in range(1, 9)]
    await until(lambda: len(held.alone) == 2)
    calls += [call(marks, 2, member, LARGE) for member in range(11, 19)]
    await until(lambda: len(held.alone) == 4)
    await asyncio.sleep(0.2)
    # Of eight connections; and of those four, one organisation has two.
    assert Counter(mark.member.org_key for mark in held.alone) == {1: 2, 2: 2}
    small = call(marks, 1, 20, [1])
    await until(lambda: len(held.batches) == 1)
    held.go_on.set()
    assert [result.changed for result in await asyncio.gather(*calls)] == [EVENTS] * 16
    assert (await small).changed == 1


async def test_large_calls_of_one_member_go_one_after_another(marks: MarkStore, held: Held) -> None:
    calls = [call(marks, 1, 1, LARGE) for _ in range(4)]
    await until(lambda: held.alone)
    await asyncio.sleep(0.2)
    assert len(held.alone) == 1
    held.go_on.set()
    assert sorted(result.changed for result in await asyncio.gather(*calls)) == [0, 0, 0, EVENTS]


async def test_an_organisation_with_few_calls_does_not_wait_for_one_with_many(marks: MarkStore, held: Held) -> None:
    calls = [call(marks, 1, 1, [1]), call(marks, 2, 2, [1])]
    await until(lambda: held.batches)
    calls += [call(marks, 1, member, [1]) for member in range(100, 1_100)]
    calls += [call(marks, 2, member, [1]) for member in range(11, 14)]
    await until(lambda: len(held.batches) > 1)
    # The next batch has all of the second organisation, and not much more of the first.
    assert Counter(mark.member.org_key for mark in held.batches[1]) == {1: 4, 2: 3}
    held.go_on.set()
    assert [result.changed for result in await asyncio.gather(*calls)] == [1] * len(calls)


async def test_a_full_queue_of_one_organisation_refuses_no_other(
    marks: MarkStore, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "LONGEST_QUEUE", 10)
    busy = [call(marks, 1, 1, [1])]
    await until(lambda: held.batches)
    calls = [call(marks, 1, 1, [event_id]) for event_id in range(1, 21)]
    await asyncio.sleep(0)
    other = call(marks, 2, 2, [1])
    held.go_on.set()
    results = await asyncio.gather(*busy, *calls, return_exceptions=True)
    assert sum(isinstance(result, Overloaded) for result in results) == 10
    assert (await other).changed == 1
