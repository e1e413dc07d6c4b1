"""How many answers of the database it takes to change a server's mind."""

import asyncio

import pytest

from readstate.errors import DatabaseUnavailable
from readstate.server.readiness import FAILURES_TO_FALL, SUCCESSES_TO_RISE, Readiness

GOOD, BAD = True, False


async def states_after(answers: list[bool], monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """The states told when the database answers like this, the first time at the start."""
    monkeypatch.setattr("readstate.server.readiness.PERIOD_SECONDS", 0)
    told: list[bool] = []
    left, over = iter(answers), asyncio.Event()

    async def check() -> None:
        answer = next(left, None)
        if answer is None:
            over.set()
            await asyncio.Event().wait()
        if answer is BAD:
            raise DatabaseUnavailable

    async def changed(ready: bool) -> None:
        told.append(ready)

    async with Readiness(check, changed).watching():
        await over.wait()
    return told


async def test_the_first_answer_decides_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await states_after([GOOD], monkeypatch) == [True]
    assert await states_after([BAD], monkeypatch) == [False]


async def test_a_server_falls_only_after_failures_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    almost = [BAD] * (FAILURES_TO_FALL - 1)
    assert await states_after([GOOD, *almost, GOOD, *almost, GOOD], monkeypatch) == [True]
    assert await states_after([GOOD, *almost, BAD], monkeypatch) == [True, False]


async def test_it_rises_only_after_successes_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    almost = [GOOD] * (SUCCESSES_TO_RISE - 1)
    assert await states_after([BAD, *almost, BAD, *almost, BAD], monkeypatch) == [False]
    assert await states_after([BAD, *almost, GOOD], monkeypatch) == [False, True]
