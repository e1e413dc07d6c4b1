"""The disk of the database is full."""

import asyncio
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from tests.chaos import tally
from tests.chaos.report import row
from tests.chaos.trial import Trial
from tests.faults.conftest import Postgres
from tests.tools import missing

MEGABYTES: Final = 200
"""Of the file system. An empty database takes 60."""


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A folder on a file system of its own, in memory."""
    with tempfile.TemporaryDirectory(prefix="readstate-disk-") as folder:
        command = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m,mode=755", "none", folder]
        if subprocess.run(command, check=False, capture_output=True).returncode != 0:
            missing("no file system can be mounted: only root can", required_by="MOUNT")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def postgres_on_it(small_disk: Path) -> Iterator[Postgres]:
    server = Postgres(small_disk)
    server.start()
    yield server
    server.stop()


def fill(disk: Path) -> Path:
    """A file that leaves no byte to others."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(1 << 16)) == 1 << 16:
            pass
    return filler


@row(
    injected="the database's disk is full for 10 s, three times",
    expected="nothing lost; callers are told UNAVAILABLE; a mark succeeds within 10 s of there being room",
)
async def test_disk_full(trial: Trial, small_disk: Path, postgres_on_it: Postgres) -> None:
    server = await trial.serve(postgres_on_it.url)
    await trial.make_world(server.port)
    times, seconds = trial.choose(short=(1, 2), full=(3, 10))
    longest = 0.0
    async with trial.load(await trial.single_attempts(server.port)):
        for _ in range(times):
            await asyncio.sleep(0.5)
            filler = await asyncio.to_thread(fill, small_disk)
            await asyncio.sleep(seconds)
            filler.unlink()
            again = time.monotonic()
            if not (small_disk / "data" / "postmaster.pid").exists():  # it has given up, and wants a supervisor
                await asyncio.to_thread(postgres_on_it.stop)
                await asyncio.to_thread(postgres_on_it.start)
            await asyncio.sleep(3)
            longest = max(longest, tally.back_after(trial.history, again))
    failures = tally.failures(trial.history.calls)
    told = tally.listed(failures)
    trial.report.note(f"full for {seconds} s, times {times}; back within {longest:.1f} s; told {told}")
    trial.report.expect(set(failures) <= {"DatabaseUnavailable", "OutOfTime"}, f"callers were told {told}")
    trial.report.expect(longest <= 10, f"a mark succeeded only after {longest:.1f} s")
    await trial.judge(postgres_on_it.url)
