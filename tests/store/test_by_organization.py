"""READSTATE_BATCH=organization: what leaves together, and which databases it is for.

`tests/__main__.py` runs the other tests of marks, inbox and streams with this setting once more.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import pytest

from readstate.config import DatabaseSettings, load
from readstate.errors import StartupError
from readstate.model import MarkResult, OrgMember
from readstate.store import pool
from readstate.store.by_organization import by_organization
from readstate.store.group_commit.pace import ORGANIZATION_WRITERS, WRITERS_OF_ONE
from readstate.store.marks.store import MarkStore
from readstate.store.marks.writer import Mark
from readstate.store.pool import Database
from readstate.store.schema import require_usable
from tests.store import data
from tests.store.data import Connection, marks_of
from tests.waiting import until


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with pool.connect(load(DatabaseSettings, database_url=database_url, batch="organization")) as opened:
        yield opened


class Held:
    """The batches of marks, which begin when the test lets them."""

    def __init__(self, marks: MarkStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go_on = asyncio.Event()
        self.organizations: list[set[int]] = []
        lane = marks._reads
        together = lane._together

        async def held(batch: Sequence[Mark]) -> Sequence[MarkResult | None]:
            self.organizations.append({mark.member.org_key for mark in batch})
            await self.go_on.wait()
            return await together(batch)

        monkeypatch.setattr(lane, "_together", held)

    def mark(self, marks: MarkStore, member_key: int, org_key: int) -> "asyncio.Task[MarkResult]":
        return asyncio.create_task(marks.mark_read(OrgMember(member_key, org_key), [1]))


@pytest.fixture
async def held(marks: MarkStore, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Held]:
    held = Held(marks, monkeypatch)
    yield held
    held.go_on.set()


async def test_a_batch_holds_one_organisation(connection: Connection, marks: MarkStore, held: Held) -> None:
    await data.load(connection, events=10)
    calls = [held.mark(marks, member, 1 + member % 2) for member in range(20)]
    await until(lambda: len(held.organizations) == 2)
    held.go_on.set()
    assert [(await call).changed for call in calls] == [1] * 20
    assert held.organizations == [{1}, {2}]


async def test_an_organisation_has_two_batches_in_flight(connection: Connection, marks: MarkStore, held: Held) -> None:
    await data.load(connection, events=10)
    calls = []
    for member in range(5):
        calls.append(held.mark(marks, member, 1))
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.3)
    assert held.organizations == [{1}] * WRITERS_OF_ONE
    other = held.mark(marks, 9, 2)
    await until(lambda: {2} in held.organizations)
    held.go_on.set()
    assert [(await call).changed for call in (*calls, other)] == [1] * 6
    assert Counter(map(min, held.organizations)) == {1: 3, 2: 1}


async def test_many_organisations_write_at_once(connection: Connection, marks: MarkStore, held: Held) -> None:
    await connection.execute("INSERT INTO event_stream (org_key) SELECT generate_series(1, 99)")
    calls = [held.mark(marks, org_key, org_key) for org_key in range(1, 100)]
    await until(lambda: len(held.organizations) >= ORGANIZATION_WRITERS)
    assert len(held.organizations) == ORGANIZATION_WRITERS
    held.go_on.set()
    assert {(await call).matched for call in calls} == {0}


async def test_calls_of_one_member_are_credited_once(connection: Connection, marks: MarkStore) -> None:
    await data.load(connection, events=10)
    member = OrgMember(1, 1)
    results = await asyncio.gather(*(marks.mark_read(member, ids) for ids in ([1, 2], [2, 3], [3], [99])))
    assert sum(result.changed for result in results) == 3
    assert [result.matched for result in results] == [2, 2, 1, 0]
    assert await marks_of(connection, 1) == {1, 2, 3}


def test_columns_are_parted_by_organisation() -> None:
    parts = by_organization([2, 1, 2], [["a", "b", "c"], [7, 8, 9]])
    assert list(parts) == [(1, [["b"], [8]]), (2, [["a", "c"], [7, 9]])]


async def test_an_unfinished_upgrade_is_refused(connection: Connection, database_url: str) -> None:
    await require_usable(database_url, "organization")
    await connection.execute("DELETE FROM migration_phase WHERE name = 'cursors_finished'")
    with pytest.raises(StartupError, match="--finish"):
        await require_usable(database_url, "organization")
