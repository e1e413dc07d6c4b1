"""Watchers while servers die, and whether what they are told is right."""

import asyncio
import math
import random
import signal
import time
from collections.abc import Sequence

import grpc
import pytest

from readstate import channels
from readstate.client import ReadState
from readstate.identity import tokens
from readstate.rpc.unread import hub
from readstate.server import app
from tests.chaos.acting import EVENTS, ORGANIZATION, Actors
from tests.chaos.crowd import Crowd, Seat, Told, learnt_at, steps_back
from tests.chaos.report import row
from tests.chaos.server import Server
from tests.chaos.trial import Trial
from tests.conftest import settings_on

USERS = [f"user{number}" for number in range(8)]
WATCHERS = 32
WATCHERS_ON_A_CHANNEL = 4

FIRST = Told(9, 10, 1, 0, 0, 0)
NEXT = Told(8, 10, 2, 0, 0, 0)


def addresses(servers: Sequence[Server]) -> str:
    """One target for all of them."""
    return "ipv4:" + ",".join(f"127.0.0.1:{server.port}" for server in servers)


async def seats(trial: Trial, target: str) -> list[Seat]:
    """Each channel chooses a server for itself, for every stream anew."""
    found: list[Seat] = []
    for _ in range(WATCHERS // WATCHERS_ON_A_CHANNEL):
        options = [*channels.options(target, {}), ("grpc.use_local_subchannel_pool", 1)]
        channel = await trial.enter(grpc.aio.insecure_channel(target, options))
        for _ in range(WATCHERS_ON_A_CHANNEL):
            user = USERS[len(found) % len(USERS)]
            found.append(Seat(user, channel, f"Bearer {trial.token(user)}"))
    return found


@row(
    injected=f"{WATCHERS} watchers connect again at random, 10,000 times, to two servers behind a list of addresses; "
    "the servers are killed (SIGKILL) and started again in turn, 20 times; members mark, undo, record and notify",
    expected="0.5 s after the last change (short: 2 s) every watcher has what the database has, 20 times; "
    "within a stream no older state follows a newer one",
)
async def test_watchers_reconnecting(trial: Trial, database_url: str) -> None:
    seed = random.Random(12)
    rounds, reconnects = trial.choose(short=2, full=20), trial.choose(short=250, full=500)
    servers = [await trial.serve(database_url) for _ in range(2)]
    target = addresses(servers)
    producer = await trial.client_of("producer", target)
    await producer.upsert_members(dict.fromkeys(USERS, ORGANIZATION))
    await producer.record_system_events(ORGANIZATION, [{"type": "t"}] * EVENTS)
    actors = Actors([await trial.client_of(user, target) for user in USERS], USERS, seed)

    slowest = 0.0
    async with Crowd(await seats(trial, target), seed).running() as crowd:
        for number in range(rounds):
            async with actors.acting():
                coming = asyncio.create_task(crowd.come_and_go(reconnects))
                await asyncio.sleep(seed.uniform(0, 2))
                await servers[number % 2].stop(signal.SIGKILL)
                await servers[number % 2].start()
                await coming
            slowest = max(slowest, await crowd.latest(database_url, last_change=time.monotonic()))

    bar = trial.choose(short=2.0, full=0.5)
    trial.report.note(f"{crowd.streams:,} streams; {actors.changes:,} changes; {rounds} kills")
    trial.report.note(f"the last watcher knew after {slowest:.2f} s; {len(crowd.wrong)} were told what is wrong")
    trial.report.expect(slowest <= bar, f"a watcher knew only after {slowest:.1f} s")
    trial.report.expect(not crowd.wrong, "; ".join(crowd.wrong[:3]))
    trial.report.expect(crowd.streams >= rounds * reconnects, "there were too few streams")


# ── Planted faults ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_server_that_never_asks_is_found_out(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "POLL_SECONDS", 3600)
    settings = settings_on(database_url)
    authorization = tokens.sign(settings, user="ada", scope="directory:write system_events:write messaging:read")
    async with app.running_server(settings) as server, app.running_server(settings) as other:
        watched, elsewhere = (f"127.0.0.1:{each.port}" for each in (server, other))
        async with grpc.aio.insecure_channel(watched) as channel, ReadState(elsewhere, token=authorization) as ada:
            await ada.upsert_members({"ada": ORGANIZATION})
            await ada.record_system_events(ORGANIZATION, [{"type": "t"}] * 2)
            async with Crowd([Seat("ada", channel, f"Bearer {authorization}")], random.Random(1)).running() as crowd:
                assert await crowd.latest(database_url, last_change=time.monotonic()) < math.inf
                assert crowd.wrong == []
                await ada.mark_read([1])
                assert await crowd.latest(database_url, last_change=time.monotonic()) == math.inf
                assert crowd.wrong == [f"ada was told {Told(2, 2, 0, 0, 0, 0)}, not {Told(1, 2, 1, 0, 0, 0)}"]


@pytest.mark.parametrize("back", ["head", "version", "notifications_version"])
def test_a_stream_that_goes_back_is_found_out(back: str) -> None:
    older = NEXT._replace(**{back: getattr(NEXT, back) - 1})
    assert steps_back([(1, FIRST), (2, NEXT), (3, NEXT)]) == []
    assert steps_back([(1, FIRST), (2, NEXT), (3, older), (4, NEXT)]) == [f"{NEXT} was followed by {older}"]


def test_a_stream_is_right_since_it_told_nothing_else() -> None:
    assert learnt_at([(1, FIRST), (2, NEXT), (3, NEXT)], NEXT) == 2
    assert learnt_at([(1, NEXT), (2, FIRST), (3, NEXT)], NEXT) == 3
    assert learnt_at([(1, NEXT), (2, FIRST)], NEXT) is None
    assert learnt_at([], NEXT) is None
