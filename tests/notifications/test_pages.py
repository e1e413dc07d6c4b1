"""Keyset pages, while the list grows."""

import asyncio

import pytest

from readstate.model import NotificationQuery, OrgMember
from readstate.store.notifications.store import NotificationStore
from readstate.store.pool import Database
from tests.notifications.conftest import Caller
from tests.notifications.rules import CONTENT, members

ARRIVING = 10_000


async def test_pages_follow_each_other_to_the_end(ada: Caller, messenger: Caller) -> None:
    ids = [(await messenger.notify("ada", "grace"))[0] for _ in range(5)]

    pages: list[list[str]] = []
    cursor = None
    while cursor or not pages:
        response = await ada.call("ListNotifications", limit=2, cursor=cursor)
        pages.append([n.id for n in response.notifications])
        cursor = response.next_cursor if response.HasField("next_cursor") else None

    assert pages == [[ids[4], ids[3]], [ids[2], ids[1]], [ids[0]]]


async def test_a_page_that_is_just_full_is_the_last(ada: Caller, messenger: Caller) -> None:
    await messenger.notify("ada")
    await messenger.notify("ada")

    assert not (await ada.call("ListNotifications", limit=2)).HasField("next_cursor")


async def test_fifty_are_a_page_unless_said_otherwise(database: Database, ada: Caller) -> None:
    member = (await members(database))["ada"]
    store = NotificationStore(database)
    for _ in range(101):
        await store.create([member], CONTENT)

    assert len((await ada.call("ListNotifications")).notifications) == 50
    assert len((await ada.call("ListNotifications", limit=100)).notifications) == 100


@pytest.mark.parametrize("included", [(), ("sender",), ("resource",), ("sender", "resource")])
async def test_a_page_reads_the_documents_that_are_asked_for(
    database: Database, store: NotificationStore, included: tuple[str, ...]
) -> None:
    ada = (await members(database))["ada"]
    content = CONTENT._replace(sender='{"id": "grace"}', resource='{"id": "order_7"}')
    await store.create([ada], content)

    query = NotificationQuery(status=None, category=None, before=None, limit=1, included=frozenset(included))
    (found,) = (await store.page(ada, query)).notifications

    assert found.sender == (content.sender if "sender" in included else None)
    assert found.resource == (content.resource if "resource" in included else None)


async def test_a_reader_meets_none_twice_and_misses_none_while_many_arrive(
    database: Database, store: NotificationStore
) -> None:
    found = await members(database)
    ada, grace = found["ada"], found["grace"]
    there = {(await store.create([ada, grace], CONTENT))[0] for _ in range(500)}
    done = asyncio.Event()

    async def arrive() -> None:
        # Six producers, which overtake each other between the beginning and the end of a transaction.
        async def produce() -> None:
            for _ in range(ARRIVING // 6 + 1):
                await store.create([ada], CONTENT)

        await asyncio.gather(*(produce() for _ in range(6)))
        done.set()

    arriving = asyncio.create_task(arrive())
    readings = 0
    while not done.is_set():
        met = await _read_all(store, ada, limit=37, least=there)
        assert len(met) == len(set(met))
        assert there <= set(met)
        # What has been met was there, and has to be met by the next reading.
        there |= set(met)
        readings += 1
    await arriving

    assert readings > 3
    assert len(await _read_all(store, ada, limit=100, least=there)) >= ARRIVING


async def _read_all(store: NotificationStore, member: OrgMember, *, limit: int, least: set[str]) -> list[str]:
    met: list[str] = []
    before: int | None = None
    while True:
        page = await store.page(member, NotificationQuery(status=None, category=None, before=before, limit=limit))
        met += [notification.id for notification in page.notifications]
        before = page.next_before
        if before is None:
            return met
