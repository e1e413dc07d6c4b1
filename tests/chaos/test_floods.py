"""Frames by the hundred thousand, from clients without a token."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from tests.chaos.calm import stays_calm
from tests.chaos.report import row
from tests.chaos.trial import Trial

MOST_MEMORY: Final = 512 << 20
"""Bytes that the server may take beyond what it had. grpc-core takes some hundred megabytes, and then no more."""
EXPECTED: Final = "no call of others fails; readiness never falls; the server takes no more than 512 MiB for it"


async def flooded(trial: Trial, url: str, kind: str) -> None:
    """Flood the server from four connections beside the calm callers."""
    server = await trial.serve(url)
    await trial.make_world(server.port)
    before, sent = server.memory(), {"frames": 0, "ended": 0}

    @asynccontextmanager
    async def attack() -> AsyncIterator[None]:
        seconds = trial.choose(short=2, full=6)
        arguments = ["-m", "tests.chaos.flood", kind, str(server.port), str(seconds)]
        process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
        try:
            yield
        finally:
            output, _ = await process.communicate()
            for name, number in json.loads(output).items():
                sent[name] += number

    await stays_calm(trial, server, attack, share=None)
    taken = server.most_memory() - before
    trial.report.note(f"{sent['frames']:,} frames; the server ended {sent['ended']:,} connections")
    trial.report.note(f"{taken >> 20} MiB more")
    trial.report.expect(taken <= MOST_MEMORY, f"the server took {taken >> 20} MiB")
    await trial.judge(url)


@row(injected="a flood of calls that are reset at once, from four connections", expected=EXPECTED)
async def test_rapid_reset(trial: Trial, database_url: str) -> None:
    await flooded(trial, database_url, "rapid_reset")


@row(injected="a flood of PING frames, from four connections, two of which read no answer", expected=EXPECTED)
async def test_ping_flood(trial: Trial, database_url: str) -> None:
    await flooded(trial, database_url, "ping")


@row(injected="a flood of SETTINGS frames, from four connections, two of which read no answer", expected=EXPECTED)
async def test_settings_flood(trial: Trial, database_url: str) -> None:
    await flooded(trial, database_url, "settings")


@row(injected="headers that never end (CONTINUATION frames), from four connections", expected=EXPECTED)
async def test_continuation_flood(trial: Trial, database_url: str) -> None:
    await flooded(trial, database_url, "continuation")
