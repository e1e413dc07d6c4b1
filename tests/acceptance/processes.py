"""The real commands as processes, and real grpcurl."""

import asyncio
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

START_SECONDS: Final = 60
STOP_SECONDS: Final = 10
"""Within which `readstate dev` stops all that it has started."""

MARK_READ: Final = "readstate.v1.SystemEventService/MarkRead"
MARK_UNREAD: Final = "readstate.v1.SystemEventService/MarkUnread"


def free_port() -> int:
    """A port that nothing listens on now.

    Nor may anything take it before the command does that gets it. From 32768 on the system gives ports to whoever
    connects.
    """
    while True:
        port = 10_000 + secrets.randbelow(22_000)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


@dataclass
class Folder:
    """A folder in which `readstate dev` is run, and the ports that it gets there."""

    path: Path
    port: int = field(default_factory=free_port)
    rest_port: int = field(default_factory=free_port)
    admin_port: int = field(default_factory=free_port)
    rest_admin_port: int = field(default_factory=free_port)

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("READSTATE_")}
        engine = {"READSTATE_ENGINE": os.environ["READSTATE_ENGINE"]} if "READSTATE_ENGINE" in os.environ else {}
        return (
            kept
            | engine
            | {
                "READSTATE_LISTEN": f"127.0.0.1:{self.port}",
                "READSTATE_ADMIN_LISTEN": f"127.0.0.1:{self.admin_port}",
                "READSTATE_GATEWAY_LISTEN": f"127.0.0.1:{self.rest_port}",
                "READSTATE_GATEWAY_ADMIN_LISTEN": f"127.0.0.1:{self.rest_admin_port}",
            }
        )

    async def start(self, *command: str, **variables: str) -> asyncio.subprocess.Process:
        """Start `readstate COMMAND` here, in a process group of its own."""
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "readstate", *command,
            cwd=self.path, env=self.environment() | variables, start_new_session=True,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    async def run(self, *command: str, **variables: str) -> tuple[int, str, str]:
        """Exit code, output and errors of `readstate COMMAND`."""
        process = await self.start(*command, **variables)
        async with asyncio.timeout(START_SECONDS):
            output, errors = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode(), errors.decode()

    async def token(self, user: str, *options: str) -> str:
        code, output, errors = await self.run("token", "--user", user, *options)
        assert code == 0, errors
        return output.strip()

    @asynccontextmanager
    async def developing(self) -> AsyncIterator["Dev"]:
        """`readstate dev`, from when it has printed its last command until it is stopped."""
        process = await self.start("dev")
        dev = Dev(process)
        try:
            await dev.ready()
            yield dev
        finally:
            await dev.stop()


class Dev:
    """A running `readstate dev`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.output = ""
        assert process.stderr is not None
        # Read all the time: a full pipe would stop the process.
        self._errors = asyncio.create_task(process.stderr.read())

    async def ready(self) -> None:
        assert self.process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            while "SystemEventService/MarkUnread" not in self.output:
                line = await self.process.stdout.readline()
                assert line, (await self._errors).decode()
                self.output += line.decode()

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop it, and fail if that takes longer than it may."""
        if self.process.returncode is None:
            self.process.send_signal(how)
        async with asyncio.timeout(STOP_SECONDS):
            await self.process.wait()
            await self._errors


@asynccontextmanager
async def folder() -> AsyncIterator[Folder]:
    """A new folder, removed at the end with the data that root's database keeps elsewhere."""
    with tempfile.TemporaryDirectory(prefix="readstate-acceptance-") as path:
        made = Folder(Path(path))
        yield made
        record = made.path / ".readstate" / "postgres-name"
        if record.exists():
            data = Path("/var/lib/readstate-dev") / record.read_text().strip()
            shutil.rmtree(data, ignore_errors=True)
            data.with_name(f"{data.name}.lock").unlink(missing_ok=True)


async def grpcurl(*arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of grpcurl, in the clear."""
    process = await asyncio.create_subprocess_exec(
        "grpcurl", "-plaintext", "-max-time", "20", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


async def call(port: int, method: str, token: str | None, message: dict[str, Any]) -> Any:
    """The reply as JSON; fails on an error."""
    code, output, errors = await grpcurl(*_bearer(token), "-d", json.dumps(message), f"127.0.0.1:{port}", method)
    assert code == 0, errors
    return json.loads(output)


async def refused(port: int, method: str, token: str | None, message: dict[str, Any]) -> tuple[str, str]:
    """The code and message of the error that a call ends with."""
    code, _, errors = await grpcurl(*_bearer(token), "-d", json.dumps(message), f"127.0.0.1:{port}", method)
    assert code != 0
    lines = dict(line.strip().split(": ", 1) for line in errors.splitlines() if ": " in line)
    return lines["Code"], lines["Message"]


def _bearer(token: str | None) -> list[str]:
    return [] if token is None else ["-H", f"authorization: Bearer {token}"]
