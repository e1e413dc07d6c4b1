"""How long what a row said is remembered."""

import asyncio

import pytest

from readstate.identity.row_cache import RowCache
from tests.waiting import until

SECONDS = 60


class Database:
    """Keys by text, a generation and a clock: tests change them."""

    def __init__(self) -> None:
        self.keys = {"ada": 1, "bob": 2}
        self.generation = 0
        self.now = 0.0
        self.looked_up: list[str] = []
        self.answers = asyncio.Event()
        self.answers.set()
        self.cache = RowCache(self.look_up, seconds=SECONDS, generation=lambda: self.generation, timer=lambda: self.now)

    async def asked(self, times: int) -> None:
        """Return once so many look-ups have begun."""
        await until(lambda: len(self.looked_up) == times)

    async def look_up(self, text: str) -> int:
        self.looked_up.append(text)
        key = self.keys[text]
        await self.answers.wait()
        return key


@pytest.fixture
def database() -> Database:
    return Database()


async def test_a_key_is_looked_up_once(database: Database) -> None:
    assert [await database.cache.find("ada") for _ in range(3)] == [1, 1, 1]
    assert database.cache.cached("ada") == 1
    assert database.cache.cached("bob") is None
    assert database.looked_up == ["ada"]


async def test_no_key_outlives_the_connections_that_it_came_from(database: Database) -> None:
    await database.cache.find("ada")
    await database.cache.find("bob")
    database.generation += 1
    database.keys = {"ada": 2, "bob": 1}
    assert database.cache.cached("ada") is None
    assert await database.cache.find("ada") == 2
    assert await database.cache.find("bob") == 1


async def test_a_key_has_a_time_to_live(database: Database) -> None:
    await database.cache.find("ada")
    database.now = SECONDS - 0.001
    assert database.cache.cached("ada") == 1
    database.now = SECONDS
    assert database.cache.cached("ada") is None


async def test_what_was_asked_of_the_old_server_is_not_kept(database: Database) -> None:
    database.answers.clear()
    asking = asyncio.create_task(database.cache.find("ada"))
    await database.asked(1)
    database.generation += 1
    database.keys["ada"] = 3
    assert database.cache.cached("bob") is None
    database.answers.set()
    assert await asking == 1
    assert await database.cache.find("ada") == 3


async def test_what_is_forgotten_meanwhile_is_not_kept(database: Database) -> None:
    await database.cache.find("bob")
    database.answers.clear()
    asking = asyncio.create_task(database.cache.find("ada"))
    await database.asked(2)
    database.cache.forget(["bob"])
    database.answers.set()
    assert await asking == 1
    assert database.cache.cached("ada") is None
    assert database.cache.cached("bob") is None


async def test_all_who_ask_at_the_same_time_share_one_look_up(database: Database) -> None:
    database.answers.clear()
    asking = [asyncio.create_task(database.cache.find(who)) for who in ("ada", "bob") * 450]
    await database.asked(2)
    database.answers.set()
    assert await asyncio.gather(*asking) == [1, 2] * 450
    assert sorted(database.looked_up) == ["ada", "bob"]


async def test_who_leaves_takes_nobody_along(database: Database) -> None:
    database.answers.clear()
    first, second = [asyncio.create_task(database.cache.find("ada")) for _ in range(2)]
    await database.asked(1)
    first.cancel()
    await asyncio.sleep(0)
    database.answers.set()
    assert await second == 1
    assert first.cancelled()
    assert database.looked_up == ["ada"]


async def test_nobody_joins_a_look_up_that_began_before_a_write(database: Database) -> None:
    database.answers.clear()
    before = asyncio.create_task(database.cache.find("ada"))
    await database.asked(1)
    database.keys["ada"] = 3
    database.cache.forget(["ada"])
    after = asyncio.create_task(database.cache.find("ada"))
    await database.asked(2)
    database.answers.set()
    assert await after == 3
    assert await before == 1
    assert database.cache.cached("ada") == 3


async def test_a_look_up_that_fails_is_told_to_all_who_asked(database: Database) -> None:
    results = await asyncio.gather(*(database.cache.find("zoe") for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [KeyError] * 3
    assert database.looked_up == ["zoe"]


async def test_a_look_up_that_fails_leaves_nothing(database: Database) -> None:
    with pytest.raises(KeyError):
        await database.cache.find("zoe")
    database.keys["zoe"] = 3
    assert await database.cache.find("zoe") == 3
