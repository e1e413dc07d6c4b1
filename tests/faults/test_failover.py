"""A primary freezes, and its standby is promoted. The real server goes on with the new primary within three seconds."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from readstate.client import ReadState
from readstate.errors import ReadStateError
from tests.faults.pair import Pair, connected, pair
from tests.faults.waiting import recovered
from tests.serving import Serving, serving
from tests.waiting import until

PROMISED_SECONDS = 3.0
CALLERS = 40
"""More than the pool has connections."""


@pytest.fixture
def databases() -> Iterator[Pair]:
    with pair() as made:
        yield made


@pytest.fixture
async def server(databases: Pair) -> AsyncIterator[Serving]:
    async with serving(databases.url) as running:
        yield running


@pytest.fixture
async def ada(server: Serving) -> AsyncIterator[ReadState]:
    """A member of acme, which has the events 1 to 5,000."""
    async with server.client("producer", scope="system_events:write directory:write") as producer:
        await producer.upsert_members({"ada": "acme"})
        await producer.record_system_events("acme", [{"event_id": i, "type": "load"} for i in range(1, 5001)])
    async with server.client("ada") as ada:
        yield ada


class Load:
    """Callers that mark one event after the other, each an event that nobody has marked."""

    def __init__(self, client: ReadState) -> None:
        self._client = client
        self._event_ids = iter(range(1, 5001))
        self.answered_at: dict[int, list[float]] = {caller: [] for caller in range(CALLERS)}
        self._tasks = [asyncio.create_task(self._call(times)) for times in self.answered_at.values()]

    async def _call(self, times: list[float]) -> None:
        for event_id in self._event_ids:
            try:
                assert (await self._client.mark_read([event_id])).matched == 1
            except ReadStateError:
                continue
            times.append(time.monotonic())
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def silence_after(self, moment: float) -> float:
        """The longest that a caller waited for its first success after `moment`, in seconds."""
        later = ([time for time in times if time > moment] for times in self.answered_at.values())
        return max(min(times, default=math.inf) for times in later) - moment


async def test_every_caller_is_served_by_the_promoted_standby(databases: Pair, ada: ReadState) -> None:
    load = Load(ada)
    await asyncio.sleep(1)
    databases.freeze()
    await databases.promote()
    promoted = time.monotonic()
    await asyncio.sleep(PROMISED_SECONDS + 1)
    await load.stop()
    assert load.silence_after(promoted) < PROMISED_SECONDS


async def test_a_standby_that_is_promoted_late_is_found(databases: Pair, ada: ReadState, server: Serving) -> None:
    await ada.mark_read([1])
    await databases.caught_up()
    databases.freeze()
    with pytest.raises(ReadStateError):
        await ada.mark_read([2], timeout=3)
    await databases.promote()
    promoted = time.monotonic()
    await recovered(ada, within=PROMISED_SECONDS)
    assert time.monotonic() - promoted < PROMISED_SECONDS
    await until(lambda: any('"another database host is the primary"' in line for line in server.lines))


async def test_the_old_primary_is_not_gone_back_to(databases: Pair, ada: ReadState) -> None:
    await databases.caught_up()
    databases.freeze()
    await databases.promote()
    await asyncio.sleep(PROMISED_SECONDS)
    databases.thaw()
    await asyncio.sleep(1)
    await asyncio.gather(*(ada.mark_read([i]) for i in range(1, 101)))
    assert await marks(databases.primary.url) == 0
    assert await marks(databases.standby.url) == 100


async def test_a_server_starts_while_the_first_host_is_frozen(databases: Pair) -> None:
    async with serving(databases.url):
        await databases.caught_up()
    databases.freeze()
    await databases.promote()
    async with serving(databases.url) as server, server.client("producer", scope="directory:write") as producer:
        await producer.upsert_members({"ada": "acme"})


async def marks(url: str) -> int:
    async with connected(url) as connection:
        return int(await connection.fetchval("SELECT count(*) FROM read_mark"))


WHO_READ = """
SELECT DISTINCT m.user_id FROM read_mark r JOIN member m USING (member_key) JOIN organization o ON o.org_key = r.org_key
 WHERE o.org_id = 'acme'
"""


async def test_no_member_gets_the_marks_of_one_whom_the_failover_has_lost(databases: Pair) -> None:
    lost, found = [f"lost{n}" for n in range(80)], [f"found{n}" for n in range(80)]
    async with serving(databases.url, READSTATE_DIRECTORY="claims") as server:
        async with server.client("producer", scope="system_events:write") as producer:
            for org_id in "acme", "globex":
                await producer.record_system_events(org_id, [{"event_id": 1, "type": "load"}])
        await databases.caught_up()
        await databases.cut_off()
        # The standby hears nothing of these members. It will give their keys to others.
        assert await everybody_marks(server, "acme", lost) == 80
        databases.freeze()
        await databases.promote()
        async with server.client("first", org="globex") as first:
            await recovered(first, within=PROMISED_SECONDS)
        assert await everybody_marks(server, "globex", found) == 80
        assert await everybody_marks(server, "acme", lost) == 80
    async with connected(databases.standby.url) as connection:
        assert {row["user_id"] for row in await connection.fetch(WHO_READ)} == set(lost)


async def everybody_marks(server: Serving, org_id: str, user_ids: list[str]) -> int:
    """Each user marks event 1 of the organisation; return how many marks were new."""
    changed = 0
    for user_id in user_ids:
        async with server.client(user_id, org=org_id) as client:
            changed += (await client.mark_read([1])).changed
    return changed
