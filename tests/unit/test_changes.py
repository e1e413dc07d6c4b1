"""Waiting for a change."""

import asyncio

import pytest

from readstate.changes import Changes


async def test_all_who_wait_are_woken_and_one_who_leaves_wakes_nobody() -> None:
    changes = Changes()
    waiting = [asyncio.create_task(changes.within(60)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    assert not waiting[1].done()
    changes.tell()
    assert await asyncio.gather(*waiting[1:]) == [True, True]
    with pytest.raises(asyncio.CancelledError):
        await waiting[0]


async def test_who_comes_later_waits_for_the_next_change() -> None:
    changes = Changes()
    changes.tell()
    assert not await changes.within(0.01)
    waiting = asyncio.create_task(changes.within(60))
    await asyncio.sleep(0)
    changes.tell()
    assert await waiting


async def test_a_change_at_the_moment_of_the_end_is_not_lost_on_others() -> None:
    changes = Changes()
    short, long = asyncio.create_task(changes.within(0)), asyncio.create_task(changes.within(60))
    await asyncio.sleep(0.01)
    changes.tell()
    assert list(await asyncio.gather(short, long)) == [False, True]
