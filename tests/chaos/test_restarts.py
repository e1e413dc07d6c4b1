"""Servers behind a balancer are stopped and killed in turn, as in a rolling restart and in a bad night."""

import asyncio
import signal

from tests.chaos import tally
from tests.chaos.haproxy import balancing
from tests.chaos.report import row
from tests.chaos.trial import Trial

DRAIN: dict[str, str] = {"READSTATE_DRAIN_DELAY": "0.5"}
"""Longer than the balancer takes to see that a server leaves."""


async def restarted(trial: Trial, url: str, how: signal.Signals) -> None:
    """End one of two servers after the other, and start it again, under the load of clients that repeat."""
    servers = await asyncio.gather(*(trial.serve(url, **DRAIN) for _ in range(2)))
    ends = trial.choose(short=2, full=20)
    async with balancing(servers) as port:
        await trial.make_world(port)
        clients = {user: await trial.client(user, port) for user in (*trial.world.of, "producer")}
        async with trial.load(clients.__getitem__):
            for number in range(ends):
                server = servers[number % 2]
                await asyncio.sleep(0.4)
                await server.stop(how)
                await server.start()
            await asyncio.sleep(0.5)
    # Only marks: our client repeats no creation, which is the producer's to repeat under its key.
    failed = tally.failures(trial.history.marks)
    trial.report.note(f"{ends} ends; {sum(failed.values())} marks failed")
    trial.report.expect(not failed, f"marks failed: {tally.listed(failed)}")
    await trial.judge(url)


@row(
    injected="two servers behind HAProxy are ended with SIGTERM and started again in turn, 20 times",
    expected="nothing lost; no mark of our client fails",
)
async def test_servers_terminated(trial: Trial, database_url: str) -> None:
    await restarted(trial, database_url, signal.SIGTERM)


@row(
    injected="two servers behind HAProxy are killed (SIGKILL) and started again in turn, 20 times",
    expected="nothing lost; no mark of our client fails",
)
async def test_servers_killed(trial: Trial, database_url: str) -> None:
    await restarted(trial, database_url, signal.SIGKILL)
