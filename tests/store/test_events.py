"""Recording events."""

import asyncio
import random

from readstate.model import NewSystemEvent
from readstate.store.events import EventStore
from readstate.store.pool import Database
from tests.store.data import Connection


def event(event_id: int | None = None) -> NewSystemEvent:
    return NewSystemEvent(event_id, "test", "", None, None)


async def test_eight_producers_at_once_leave_no_gap_and_no_double(connection: Connection, database: Database) -> None:
    events = EventStore(database)

    async def produce(number: int) -> None:
        chance = random.Random(number)
        for _ in range(25):
            brought = [event(chance.randint(1, 400)) for _ in range(chance.randint(0, 8))]
            await events.record("acme", [*brought, *(event() for _ in range(chance.randint(1, 4)))])

    await asyncio.gather(*(produce(number) for number in range(8)))

    rows = await connection.fetch("SELECT seq, event_id FROM system_event ORDER BY seq")
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    assert len({row["event_id"] for row in rows}) == len(rows)
    stream = await connection.fetchrow("SELECT last_seq, last_event_id FROM event_stream")
    assert stream is not None
    assert tuple(stream) == (len(rows), max(row["event_id"] for row in rows))


async def test_positions_follow_the_order_of_commits(connection: Connection, database: Database) -> None:
    events = EventStore(database)
    seen: list[int] = []

    async def watch() -> None:
        while not all(producer.done() for producer in producers):
            # Whoever remembers the largest position seen must never meet a smaller one later.
            rows = await connection.fetch("SELECT seq FROM system_event ORDER BY seq")
            positions = [row["seq"] for row in rows]
            assert positions[: len(seen)] == seen
            seen[:] = positions

    async def produce() -> None:
        for _ in range(30):
            await events.record("acme", [event(), event()])

    producers = [asyncio.create_task(produce()) for _ in range(8)]
    await watch()
    await asyncio.gather(*producers)
    assert seen


async def test_a_key_that_another_organisation_has_got_is_not_written_with(
    connection: Connection, database: Database
) -> None:
    """A fail-over lost the organisation, and the new primary gave its key to the next one that it made."""
    events = EventStore(database)
    await events.record("acme", [event(1)])
    await connection.execute("UPDATE organization SET org_id = 'globex'")

    assert await events.record("acme", [event(2)]) == [2]
    await asyncio.gather(*(events.record("acme", [event()]) for _ in range(3)))

    rows = await connection.fetch(
        "SELECT org_id, array_agg(event_id ORDER BY seq) AS ids"
        " FROM organization JOIN system_event USING (org_key) GROUP BY 1"
    )
    assert {row["org_id"]: row["ids"] for row in rows} == {"globex": [1], "acme": [2, 3, 4, 5]}


async def test_an_organisation_that_was_lost_is_made_again(connection: Connection, database: Database) -> None:
    events = EventStore(database)
    await events.record("acme", [event(1)])
    for table in "organization", "event_stream", "system_event":
        await connection.execute(f"DELETE FROM {table}")
    assert await events.record("acme", [event(1)]) == [1]
    assert await connection.fetchval("SELECT count(*) FROM organization JOIN system_event USING (org_key)") == 1
