"""Server-sent events through Envoy, over HTTP/1.1 and HTTP/2."""

import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest

from readstate.client import ReadState
from readstate.config import ServerSettings
from readstate.gateway import app as gateway_app
from readstate.gateway.live import event_stream
from readstate.identity import tokens
from readstate.server.app import RunningServer
from tests.acceptance.processes import free_port
from tests.deploy.envoy import certificate, configuration, envoy
from tests.gateway.conftest import settings_for
from tests.gateway.window import Window
from tests.waiting import until, until_answered

IDLE = 4.0
"""Seconds of silence after which this Envoy ends a stream. The one of `deploy/envoy` waits for 60."""
HEARTBEAT = 0.5

Open: TypeAlias = Callable[..., Window]


@dataclass
class Front:
    """An Envoy in front of a gateway."""

    url: str
    tls: ssl.SSLContext
    gateway: AsyncExitStack
    """Stops it."""


@pytest.fixture
async def front(
    demo_data: None, server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Front]:
    monkeypatch.setattr(event_stream, "HEARTBEAT_SECONDS", HEARTBEAT)
    certificate(tmp_path)
    async with AsyncExitStack() as gateway:
        ports = await gateway.enter_async_context(gateway_app.running_gateway(settings_for(server.port)))
        port = free_port()
        adapted = configuration(tmp_path, listen=port, servers=[server.port], gateway=ports, idle=f"{IDLE}s")
        with envoy(adapted, tmp_path):
            tls = ssl.create_default_context(cafile=str(tmp_path / "tls.crt"))
            found = Front(f"https://localhost:{port}", tls, gateway)
            await until_answered(partial(reaches_the_gateway, found), within=60)
            yield found


async def reaches_the_gateway(front: Front) -> bool:
    async with httpx.AsyncClient(verify=front.tls, trust_env=False) as client:
        try:
            return (await client.get(f"{front.url}/v1/unread/stream")).status_code == 401
        except httpx.HTTPError:
            return False


@pytest.fixture(params=["HTTP/1.1", "HTTP/2"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def window(front: Front, version: str, settings: ServerSettings) -> Open:
    """Opens one with ada's token, or with a ticket."""

    def window(ticket: str | None = None) -> Window:
        headers = {} if ticket else {"authorization": f"Bearer {tokens.sign(settings, user='ada')}"}
        return Window(front.url, headers=headers, ticket=ticket, tls=front.tls, http2=version == "HTTP/2")

    return window


async def test_states_arrive_at_once_and_comments_keep_the_stream_open(
    ada: ReadState, window: Open, version: str
) -> None:
    async with window() as open_window:
        await open_window.state(unread_count=50)
        assert open_window.response is not None
        assert open_window.response.http_version == version
        assert open_window.response.headers["content-type"] == "text/event-stream"
        for number in range(1, 6):
            await ada.mark_read([number])
            marked = time.monotonic()
            await open_window.state(unread_count=50 - number)
            assert time.monotonic() - marked < 0.9 * IDLE
        # Silence for twice as long as Envoy allows, but for comments, each of which is passed on by itself.
        before = open_window.comments
        await until(lambda: open_window.comments >= before + 2 * IDLE / HEARTBEAT)
        await ada.mark_read([6])
        await open_window.state(unread_count=44)


async def test_envoy_ends_a_stream_that_is_silent(window: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """So the test above shows what comments are for."""
    monkeypatch.setattr(event_stream, "HEARTBEAT_SECONDS", 3600)
    async with window() as open_window:
        await open_window.state()
        await until(lambda: open_window.cut_off)


async def test_a_ticket_is_as_good(front: Front, ada: ReadState, window: Open, settings: ServerSettings) -> None:
    headers = {"authorization": f"Bearer {tokens.sign(settings, user='ada')}"}
    async with httpx.AsyncClient(verify=front.tls, trust_env=False) as client:
        issued = await client.post(f"{front.url}/v1/unread/ticket", headers=headers)
    async with window(issued.json()["ticket"]) as open_window:
        await open_window.state(unread_count=50)
        await ada.mark_read([1])
        await open_window.state(unread_count=49)


async def test_a_gateway_that_leaves_tells_when_to_come_back(front: Front, window: Open) -> None:
    async with window() as first, window() as second:
        await first.state()
        await second.state()
        await front.gateway.aclose()
        for each in first, second:
            assert (await each.end())["code"] == "draining"
            assert each.retry is not None
            assert 500 <= each.retry <= 3000
