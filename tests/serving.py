"""The real `readstate serve` and `readstate gateway`, as processes of their own."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from readstate.client import ReadState
from readstate.identity.tokens import sign
from tests.conftest import settings_on
from tests.waiting import until

START_SECONDS: Final = 60
STOP_SECONDS: Final = 15


@dataclass
class Serving:
    """A server that listens."""

    port: int
    process: asyncio.subprocess.Process
    lines: list[str]
    """What it has written to stderr so far, line by line."""
    reading: asyncio.Task[None]
    admin_port: int = 0

    def client(self, user: str, *, scope: str = "", org: str | None = None) -> ReadState:
        """A client with a token of its own."""
        token = sign(settings_on(""), user=user, scope=scope, org=org)
        return ReadState(f"127.0.0.1:{self.port}", token=token)

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop it and return its exit code; all of its lines have been read then."""
        if self.process.returncode is None:
            self.process.send_signal(how)
        async with asyncio.timeout(STOP_SECONDS):
            await self.process.wait()
            await self.reading
        assert self.process.returncode is not None
        return self.process.returncode


def environment(database_url: str, **variables: str) -> dict[str, str]:
    """What `readstate COMMAND` is started with: nothing of this process's settings but the engine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("READSTATE_")}
    engine = {"READSTATE_ENGINE": os.environ["READSTATE_ENGINE"]} if "READSTATE_ENGINE" in os.environ else {}
    tokens = settings_on(database_url)
    assert tokens.token_secret is not None
    settings = {
        "READSTATE_DATABASE_URL": database_url,
        "READSTATE_TOKEN_ISSUER": tokens.token_issuer,
        "READSTATE_TOKEN_AUDIENCE": tokens.token_audience,
        "READSTATE_TOKEN_SECRET": tokens.token_secret.get_secret_value(),
        "READSTATE_ADMIN_LISTEN": "127.0.0.1:0",
        "READSTATE_DRAIN_DELAY": "0",
    }
    return kept | engine | settings | variables


async def start(*command: str, database_url: str, **variables: str) -> asyncio.subprocess.Process:
    """Start `readstate COMMAND`; an empty variable is one that is not set."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "readstate", *command,
        env=environment(database_url, **variables), start_new_session=True,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def run(*command: str, database_url: str, **variables: str) -> tuple[int, str, str]:
    """Exit code, output and errors of `readstate COMMAND`."""
    process = await start(*command, database_url=database_url, **variables)
    try:
        async with asyncio.timeout(START_SECONDS):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


@asynccontextmanager
async def serving(database_url: str, *, port: int | str = 0, **variables: str) -> AsyncIterator[Serving]:
    """`readstate serve`, from when it listens until it is stopped; on a free port unless it is given one."""
    listen = {"READSTATE_LISTEN": f"127.0.0.1:{port}"}
    async with _listening("serve", database_url, **listen, **variables) as server:
        yield server


@asynccontextmanager
async def gateway_to(upstream: str, **variables: str) -> AsyncIterator[Serving]:
    """`readstate gateway` on a free port, from when it listens until it is stopped."""
    listen = {"READSTATE_GATEWAY_LISTEN": "127.0.0.1:0", "READSTATE_GATEWAY_ADMIN_LISTEN": "127.0.0.1:0"}
    async with _listening("gateway", "", READSTATE_UPSTREAM=upstream, **listen, **variables) as gateway:
        yield gateway


@asynccontextmanager
async def _listening(command: str, database_url: str, **variables: str) -> AsyncIterator[Serving]:
    process = await start(command, database_url=database_url, **variables)
    lines: list[str] = []
    reading = asyncio.create_task(_read(process, lines))
    server = Serving(0, process, lines, reading)
    try:
        await until(lambda: reading.done() or _told(lines), within=START_SECONDS)
        assert not reading.done(), lines
        listening = json.loads(_told(lines)[0])
        server.port, server.admin_port = listening["port"], listening["admin_port"]
        yield server
    finally:
        await server.stop()


def _told(lines: list[str]) -> list[str]:
    return [line for line in lines if 'listening"' in line]


async def _read(process: asyncio.subprocess.Process, lines: list[str]) -> None:
    # All the time: a full pipe would stop the process.
    assert process.stderr is not None
    async for line in process.stderr:
        lines.append(line.decode().rstrip("\n"))
