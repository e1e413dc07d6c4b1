"""Slow statements have a line in the log."""

import asyncio
import json
from collections.abc import Callable
from typing import Final

import pytest

from readstate.config import ServerSettings
from readstate.errors import ReadStateError
from readstate.store import plans, pool, slow
from readstate.store.inbox.sql import MARK_ALL_READ
from readstate.store.marks.sql import MARK_READ
from readstate.store.pool import Database

CANARY = "canary-8d0e"
SLEEP: Final = "SELECT pg_sleep($1), $2::text"


def lines(log: str) -> list[dict[str, object]]:
    return [line for line in map(json.loads, log.splitlines()) if line["event"] == "slow statement"]


async def test_a_slow_statement_has_a_line_without_its_values(
    logged: Callable[[], str], settings: ServerSettings
) -> None:
    async with pool.connect(settings) as database:
        await database.rows(SLEEP, 0.15, CANARY, repeatable=True)
    (line,) = [line for line in lines(logged()) if "pg_sleep" in str(line["statement"])]
    assert line["statement"] == SLEEP
    assert line["level"] == "warning"
    assert 150 <= int(str(line["ms"])) < 5000
    assert CANARY not in logged()


async def test_what_fails_slowly_has_a_line_as_well(logged: Callable[[], str], settings: ServerSettings) -> None:
    async with pool.connect(settings) as database:
        with pytest.raises(ReadStateError):
            await database.rows("SELECT 1 / i FROM pg_sleep(0.15), generate_series(0, $1::int) i", 0, repeatable=True)
    assert any("1 / i" in str(line["statement"]) for line in lines(logged()))


async def test_many_of_them_have_one_line_each(logged: Callable[[], str], settings: ServerSettings) -> None:
    async def slowly(database: Database, statement: str) -> None:
        await database.rows(statement, 0.15, CANARY, repeatable=True)

    other = SLEEP.lower()
    async with pool.connect(settings) as database:
        await asyncio.gather(*(slowly(database, statement) for statement in (SLEEP, other) for _ in range(4)))
    told = [line["statement"] for line in lines(logged()) if "pg_sleep" in str(line["statement"])]
    assert sorted(map(str, told)) == sorted([SLEEP, other])


def test_a_quick_one_has_none(logged: Callable[[], str]) -> None:
    slow.SlowStatements().took(SLEEP, plans.SLOW_SECONDS)
    assert not lines(logged())


@pytest.mark.parametrize(("name", "statement"), [("MARK_READ", MARK_READ), ("MARK_ALL_READ", MARK_ALL_READ)])
def test_a_constant_of_the_store_goes_by_its_name(name: str, statement: str) -> None:
    assert slow.name_of(statement) == name


def test_another_statement_goes_by_its_first_words() -> None:
    assert slow.name_of("\nSELECT  1\n FROM " + "x" * 200) == "SELECT 1 FROM " + "x" * 66
