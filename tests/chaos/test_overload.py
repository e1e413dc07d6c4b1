"""More calls than the server has capacity for."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg
import grpc
import pytest

from readstate.v1.system_events_pb2 import MarkReadRequest
from tests.chaos import tally
from tests.chaos.report import row
from tests.chaos.trial import Trial
from tests.rpc.wire import failure_of

pytestmark = pytest.mark.alone

LIMIT: Final = 60
"""Calls that the server takes at once."""
OVER: Final = 5
"""Times its capacity."""
PAUSE: Final = 0.25
"""Seconds after which somebody who was refused comes again. RetryInfo asks for a whole one."""
MEMBERS: Final = [f"crowd-{n}" for n in range(500)]
"""More than there are calls at once: a member's calls wait for each other."""
MARK: Final = "/readstate.v1.SystemEventService/MarkRead"

# What bounds the server is to be its database: what bounds the whole machine would be this load.
SLOW: Final = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.1); RETURN NULL; END';
CREATE TRIGGER slow AFTER INSERT ON read_mark FOR EACH STATEMENT EXECUTE FUNCTION slow();
"""


@dataclass
class Served:
    """What a load was answered."""

    good: int = 0
    seconds: float = 0
    shed: list[float] = field(default_factory=list)
    """Seconds that each refusal took."""
    wrong: Counter[str] = field(default_factory=Counter)
    """Any other answer, and refusals that do not say when to come again."""

    @property
    def rate(self) -> float:
        return self.good / self.seconds

    @property
    def shed_p99_ms(self) -> float:
        return 1000 * sorted(self.shed)[int(0.99 * len(self.shed))] if self.shed else 0


class Callers:
    """Marks by many members, each call on a few events."""

    def __init__(self, channels: list[grpc.aio.Channel], tokens: list[str], events: range) -> None:
        self._methods: list[Any] = [channel.unary_unary(MARK) for channel in channels]
        self._tokens = tokens
        self._requests = [MarkReadRequest(event_ids=[i]).SerializeToString() for i in events]
        self._number = 0

    async def call(self, served: Served) -> bool:
        """Make one call, and add how it ended; return whether it was shed."""
        self._number += 1
        n, begun = self._number, time.monotonic()
        metadata = (("authorization", f"Bearer {self._tokens[n % len(self._tokens)]}"),)
        method, request = self._methods[n % len(self._methods)], self._requests[n % len(self._requests)]
        try:
            await method(request, metadata=metadata, timeout=6)
        except grpc.aio.AioRpcError as error:
            found = failure_of(error)
            if found.code is grpc.StatusCode.RESOURCE_EXHAUSTED and found.retry_seconds:
                served.shed.append(time.monotonic() - begun)
                return True
            served.wrong[f"{found.code.name} {found.message}"] += 1
        else:
            served.good += 1
        return False


async def closed_loop(callers: Callers, number: int, seconds: float) -> Served:
    """So many callers, each of whom calls again after the answer."""
    served, begun = Served(), time.monotonic()

    async def keep_calling(caller: int) -> None:
        await asyncio.sleep(PAUSE * caller / number)
        while time.monotonic() < begun + seconds:
            if await callers.call(served):
                await asyncio.sleep(PAUSE)

    await asyncio.gather(*(keep_calling(caller) for caller in range(number)))
    served.seconds = time.monotonic() - begun
    return served


async def open_loop(callers: Callers, rate: float, seconds: float) -> Served:
    """So many calls a second, whatever is answered."""
    served, begun, made = Served(), time.monotonic(), 0
    async with asyncio.TaskGroup() as tasks:
        while (passed := time.monotonic() - begun) < seconds:
            while made < rate * passed:
                made += 1
                tasks.create_task(callers.call(served))
            await asyncio.sleep(0.005)
    served.seconds = time.monotonic() - begun
    return served


async def slowed(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(SLOW)
    await connection.close()


@row(
    injected="five times as many calls as the server can serve: callers who do not wait, and a fixed rate",
    expected="0.8 of its capacity is served; all others are told RESOURCE_EXHAUSTED with RetryInfo, p99 within 100 ms",
)
async def test_overload(trial: Trial, database_url: str) -> None:
    server = await trial.serve(database_url, READSTATE_MAX_IN_FLIGHT=str(LIMIT))
    await trial.make_world(server.port)
    await (await trial.client("producer", server.port)).upsert_members(dict.fromkeys(MEMBERS, "acme"))
    channels = [await trial.channel(server.port) for _ in range(4)]
    callers = Callers(channels, [trial.token(user) for user in MEMBERS], trial.world.organizations[0].events)
    seconds = trial.choose(short=1.5, full=15)
    for first in range(0, len(MEMBERS), LIMIT):  # what is done once for each member is done before
        await asyncio.gather(*(callers.call(Served()) for _ in MEMBERS[first : first + LIMIT]))
    await slowed(database_url)
    capacity = (await closed_loop(callers, LIMIT, seconds)).rate
    trial.report.note(f"capacity {capacity:,.0f} calls/s")
    # A machine that is shared answers late, whatever the server does.
    least, most_ms = trial.choose(short=(0.5, 1000), full=(0.8, 100))
    for name, served in (
        ("closed loop", await closed_loop(callers, OVER * LIMIT, seconds)),
        ("open loop", await open_loop(callers, OVER * capacity, seconds)),
    ):
        share, p99 = served.rate / capacity, served.shed_p99_ms
        trial.report.note(f"{name}: {share:.2f} of it, {len(served.shed):,} shed, p99 {p99:.0f} ms")
        trial.report.expect(share >= least, f"{name}: only {share:.2f} of the capacity was served")
        trial.report.expect(p99 <= most_ms, f"{name}: refusals took {p99:.0f} ms at p99")
        trial.report.expect(not served.wrong, f"{name}: answers {tally.listed(served.wrong)}")
        trial.report.expect(len(served.shed) > 0, f"{name}: nothing was shed")
