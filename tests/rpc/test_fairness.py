"""One organisation does its worst. Another one goes on, and the server stays ready."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import grpc
import httpx
import pytest

from readstate.identity.tokens import sign
from readstate.v1 import system_events_pb2 as pb
from tests.conftest import settings_on
from tests.rpc.greedy import greedy
from tests.rpc.neighbour import MARK_READ, Method
from tests.serving import Serving, serving
from tests.store import data
from tests.store.data import Connection

EVENTS = 20_000
MEMBERS = 100
CALM_CALLERS = 8
KEPT = 0.25
"""What the calm organisation keeps of its calls a second."""
ROUNDS = 3
"""The best one counts: what else the machine does lowers the figure, and nothing raises it. In none may a call fail."""

CALM_MEMBERS = "INSERT INTO member (user_id, org_key) SELECT 'calm' || i, 2 FROM generate_series(1, $1::int) i"
FREE_ROWS = "DELETE FROM read_mark WHERE member_key = 1 AND org_key = 1 AND seq <= 20"
HELD_ROWS = "INSERT INTO read_mark (member_key, org_key, seq) SELECT 1, 1, i FROM generate_series(1, 20) i"


@dataclass(frozen=True)
class Worst:
    """What the greedy organisation does."""

    in_flight: int
    members: int
    ids: int = 1
    events: int = EVENTS
    held: bool = False
    """Whether another transaction holds these events of member 1."""


WORST = {
    "large calls of one member": Worst(in_flight=64, members=1, ids=10_000),
    "locked rows of one member": Worst(in_flight=300, members=1, events=20, held=True),
    "very many calls": Worst(in_flight=1_500, members=MEMBERS),
}


@pytest.mark.alone
@pytest.mark.parametrize("worst", WORST.values(), ids=WORST)
async def test_a_greedy_organisation_leaves_others_their_share(database_url: str, worst: Worst) -> None:
    connection = await asyncpg.connect(database_url)
    await data.load(connection, events=EVENTS, members=MEMBERS)
    await connection.execute(CALM_MEMBERS, CALM_CALLERS)
    kept: list[float] = []
    async with serving(database_url) as server:
        while len(kept) < ROUNDS and max(kept, default=0) < KEPT:
            alone = await calls_a_second(server, 2)
            tokens = [token(f"user{1 + number}") for number in range(worst.members)]
            calls = greedy(server.port, tokens, in_flight=worst.in_flight, events=worst.events, ids=worst.ids)
            async with held(connection, worst), calls:
                together, ready = await asyncio.gather(calls_a_second(server, 3), always_ready(server, 3))
            assert ready
            kept.append(together / alone)
    await connection.close()
    assert max(kept) >= KEPT, kept


async def calls_a_second(server: Serving, seconds: float) -> float:
    """Of calm callers: each waits for its answer before it calls again. Raises what any call raises."""
    ends_at = time.monotonic() + seconds
    calls = 0

    async def caller(number: int) -> None:
        nonlocal calls
        metadata = (("authorization", "Bearer " + token(f"calm{1 + number}")),)
        event_id = 0
        while time.monotonic() < ends_at:
            event_id += 1
            body = pb.MarkReadRequest(event_ids=[event_id]).SerializeToString()
            reply = pb.MarkReadResponse.FromString(await methods[number % 2](body, metadata=metadata, timeout=5))
            assert reply.matched_count == 1
            calls += 1

    options = [("grpc.use_local_subchannel_pool", 1)]
    target = f"127.0.0.1:{server.port}"
    async with (
        grpc.aio.insecure_channel(target, options=options) as one,
        grpc.aio.insecure_channel(target, options=options) as other,
    ):
        methods: list[Method] = [one.unary_unary(MARK_READ), other.unary_unary(MARK_READ)]
        started = time.monotonic()
        await asyncio.gather(*(caller(number) for number in range(CALM_CALLERS)))
        return calls / (time.monotonic() - started)


async def always_ready(server: Serving, seconds: float) -> bool:
    """Whether each of many probes found the server ready."""
    (line,) = [line for line in server.lines if 'listening"' in line]
    ends_at = time.monotonic() + seconds
    answers: set[int] = set()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{json.loads(line)['admin_port']}") as admin:
        while time.monotonic() < ends_at:
            answers.add((await admin.get("/readyz")).status_code)
            await asyncio.sleep(0.2)
    return answers == {200}


@asynccontextmanager
async def held(connection: Connection, worst: Worst) -> AsyncIterator[None]:
    """While inside, another transaction holds rows of member 1, if that is the worst."""
    transaction = connection.transaction()
    await transaction.start()
    if worst.held:
        await connection.execute(FREE_ROWS)  # the round before has marked them
        await connection.execute(HELD_ROWS)
    try:
        yield
    finally:
        await transaction.rollback()


def token(user: str) -> str:
    return sign(settings_on(""), user=user)
