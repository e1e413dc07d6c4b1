"""Who gets the next connection that is free."""

import asyncio
from itertools import count

from readstate.config import ServerSettings
from readstate.store import pool
from readstate.store.pool import PING, Connection, Database

CONNECTIONS = 2
"""So many are open from the start: whoever has to wait until one is opened comes later."""


async def test_whoever_asked_first_gets_a_connection_first(settings: ServerSettings) -> None:
    places = count()
    served: list[int] = []

    async def caller(database: Database) -> None:
        for _ in range(20):
            place = next(places)

            async def work(connection: Connection, place: int = place) -> None:
                served.append(place)
                await connection.rows(PING)

            await database.run(work, repeatable=True)

    async with pool.connect(settings.model_copy(update={"pool_size": CONNECTIONS})) as database:
        await asyncio.gather(*(caller(database) for _ in range(50)))

    assert max(turn - place for turn, place in enumerate(served)) <= CONNECTIONS
