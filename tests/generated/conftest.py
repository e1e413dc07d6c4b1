"""A server and a gateway for clients that nobody here wrote, and the programs that make such clients."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from readstate.config import ServerSettings
from readstate.gateway import app as gateway_app
from readstate.identity import tokens
from readstate.server.app import RunningServer
from tests.conftest import ClientFor
from tests.gateway.conftest import settings_for

ROOT: Final = Path(__file__).resolve().parents[2]
OPENAPI: Final = ROOT / "src" / "readstate" / "gateway" / "openapi.yaml"
PROGRAMS: Final = Path(__file__).parent / "programs"


@pytest.fixture
async def gateway_url(server: RunningServer) -> AsyncIterator[str]:
    async with gateway_app.running_gateway(settings_for(server.port)) as (port, _):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
async def token(settings: ServerSettings, demo_data: None, client_for: ClientFor) -> str:
    """The token of ada, who has a notification and may read it."""
    await client_for("producer", scope="messaging:write").create_notifications(
        "acme",
        ["ada"],
        category="chat.mention",
        title="Grace mentioned you",
        sender={"id": "grace", "type": "ACTOR_TYPE_USER", "name": "Grace"},
        resource={"id": "conv-1", "type": "conversation"},
    )
    return tokens.sign(settings, user="ada", scope="messaging:read")


async def output(*command: str | Path, folder: Path | None = None, seconds: float = 150, **variables: str) -> str:
    """What a command prints, if it succeeds."""
    environment = {name: value for name, value in os.environ.items() if name.lower() not in ("http_proxy", "no_proxy")}
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        cwd=folder,
        env=environment | variables,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(seconds):
        printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()
    return printed.decode()
