"""The sweeper goes on, whatever one of its sweeps does."""

import asyncio

import pytest

from readstate.errors import DatabaseUnavailable
from readstate.server import sweeper
from tests.waiting import until


@pytest.mark.parametrize("failure", [DatabaseUnavailable(), RuntimeError("unexpected")])
async def test_a_sweep_that_fails_keeps_neither_itself_nor_another_from_the_next_round(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "PERIOD_SECONDS", 0.01)
    rounds = {"failing": 0, "other": 0}

    async def failing() -> None:
        rounds["failing"] += 1
        raise failure

    async def other() -> None:
        rounds["other"] += 1

    async with sweeper.sweeping(failing, other):
        await until(lambda: min(rounds.values()) >= 2)


async def test_nothing_is_swept_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "PERIOD_SECONDS", 0.0)
    rounds = 0

    async def count() -> None:
        nonlocal rounds
        rounds += 1

    async with sweeper.sweeping(count):
        await until(lambda: rounds)
    swept = rounds
    await asyncio.sleep(0.02)
    assert rounds == swept
