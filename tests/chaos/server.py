"""`readstate serve` as a process of its own, measured from outside."""

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

import httpx
import psutil

from tests.acceptance.processes import free_port
from tests.conftest import settings_on

START_SECONDS: Final = 60
STOP_SECONDS: Final = 20


def environment(database_url: str, **variables: str) -> dict[str, str]:
    """What `readstate serve` is started with: nothing of this process's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("READSTATE_")}
    tokens = settings_on(database_url)
    assert tokens.token_secret is not None
    settings = {
        "READSTATE_DATABASE_URL": database_url,
        "READSTATE_TOKEN_ISSUER": tokens.token_issuer,
        "READSTATE_TOKEN_AUDIENCE": tokens.token_audience,
        "READSTATE_TOKEN_SECRET": tokens.token_secret.get_secret_value(),
        "READSTATE_DRAIN_DELAY": "0",
    }
    return kept | settings | variables


@dataclass
class Server:
    """A server that is ready. Its ports stay the same when it is started again."""

    COMMAND: ClassVar = (sys.executable, "-m", "readstate", "serve")

    port: int
    admin_port: int
    log: Path
    """All that it has written to stderr."""
    variables: dict[str, str]
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and return once it is ready."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.COMMAND,
                env=self.variables,
                start_new_session=True,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        ends_at = time.monotonic() + START_SECONDS
        while not await self.ready():
            assert self.process.returncode is None, self.log.read_text()
            assert time.monotonic() < ends_at, f"not ready: {self.log.read_text()}"
            await asyncio.sleep(0.05)

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it, and return its exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(how)
        async with asyncio.timeout(STOP_SECONDS):
            return await self.process.wait()

    async def ready(self) -> bool:
        """What `/readyz` says; False where nothing answers."""
        return await self.page("/readyz") is not None

    async def page(self, path: str) -> str | None:
        """A page of the admin listener, or None where it does not answer with 200."""
        async with httpx.AsyncClient(trust_env=False) as client:
            try:
                response = await client.get(f"http://127.0.0.1:{self.admin_port}{path}", timeout=2)
            except httpx.HTTPError:
                return None
        return response.text if response.status_code == 200 else None

    def most_memory(self) -> int:
        """Bytes that it has held in memory at most."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) << 10

    def memory(self) -> int:
        """Bytes that it holds in memory now."""
        assert self.process is not None
        return int(psutil.Process(self.process.pid).memory_info().rss)


@asynccontextmanager
async def serving(database_url: str, **variables: str) -> AsyncIterator[Server]:
    """A server on free ports, from when it is ready until it is stopped."""
    port, admin_port = free_port(), free_port()
    listen = {"READSTATE_LISTEN": f"127.0.0.1:{port}", "READSTATE_ADMIN_LISTEN": f"127.0.0.1:{admin_port}"}
    with tempfile.TemporaryDirectory(prefix="readstate-chaos-") as folder:
        values = environment(database_url, **listen, **variables)
        server = Server(port, admin_port, Path(folder) / "log", values)
        try:
            await server.start()
            yield server
        finally:
            if server.process is not None:
                await server.stop()
