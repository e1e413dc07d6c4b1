"""Windows that do not read, and windows of pages from elsewhere."""

import asyncio
from functools import partial

import httpx
import pytest

from readstate.client import ReadState
from readstate.gateway import app as gateway_app
from readstate.gateway.live import event_stream
from readstate.http.limits import Limits
from readstate.server.app import RunningServer
from tests.gateway.conftest import Bearer, settings_for
from tests.gateway.test_live import STREAM, TICKET
from tests.gateway.window import Window, streams
from tests.gateway.wire import head
from tests.http.serving import connected, connections_of
from tests.waiting import until

PAGE = "https://app.example"
UNREAD_SECONDS = 2.0


@pytest.mark.alone
async def test_a_window_that_does_not_read_is_closed_and_holds_nobody_up(
    watched: ReadState, wanda: str, server: RunningServer, bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_app, "Limits", partial(Limits, unread_seconds=UNREAD_SECONDS))
    # The buffers on the way hold what a window is told in hours.
    monkeypatch.setattr(event_stream, "HEARTBEAT", b":" + b" " * 16_384 + b"\n\n")
    monkeypatch.setattr(event_stream, "HEARTBEAT_SECONDS", 0.005)
    mine, others = bearer(wanda), bearer(wanda, scope="messaging:read")
    async with gateway_app.running_gateway(settings_for(server.port)) as (port, _):
        stalled = [await connected(port, receive_buffer=4096) for _ in range(2)]
        # One beside a window that reads the same stream, and one with a stream of its own.
        for client, headers in zip(stalled, (mine, others), strict=True):
            request = head("GET", STREAM, headers.items())
            await asyncio.get_running_loop().sock_sendall(client, request)
        async with Window(f"http://127.0.0.1:{port}", headers=mine) as window:
            await window.state(unread_count=10)
            await until(lambda: connections_of(port) == 3 and streams(server) == 2)
            for number in range(1, 6):
                async with asyncio.timeout(1):
                    await watched.mark_read([number])
                    await window.state(unread_count=10 - number)
            await until(lambda: connections_of(port) == 1)
            await until(lambda: streams(server) == 1)
            await watched.mark_read([6])
            await window.state(unread_count=4)
        for client in stalled:
            client.close()
    await until(lambda: streams(server) == 0)


async def test_a_page_of_an_allowed_origin_may_read_the_stream(
    watched: ReadState, wanda: str, server: RunningServer, bearer: Bearer
) -> None:
    async with (
        gateway_app.running_gateway(settings_for(server.port, cors_origins=PAGE)) as (port, _),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as rest,
    ):
        asked = {"origin": PAGE, "access-control-request-headers": "authorization"}
        for path, method in (STREAM, "GET"), (TICKET, "POST"):
            preflight = await rest.options(path, headers=asked | {"access-control-request-method": method})
            assert preflight.headers["access-control-allow-origin"] == PAGE
            assert method in preflight.headers["access-control-allow-methods"]
            assert "Authorization" in preflight.headers["access-control-allow-headers"]
        issued = await rest.post(TICKET, headers={"origin": PAGE, **bearer(wanda)})
        assert issued.headers["access-control-allow-origin"] == PAGE
        for headers, ticket in (bearer(wanda), None), ({}, issued.json()["ticket"]):
            headers["origin"] = PAGE
            async with Window(f"http://127.0.0.1:{port}", headers=headers, ticket=ticket) as window:
                await window.state(unread_count=10)
                assert window.response is not None
                assert window.response.headers["access-control-allow-origin"] == PAGE
                assert window.response.headers["vary"] == "Origin"


async def test_a_page_of_another_origin_may_not(
    watched: ReadState, wanda: str, server: RunningServer, bearer: Bearer
) -> None:
    elsewhere = {"origin": "https://evil.example", **bearer(wanda)}
    async with gateway_app.running_gateway(settings_for(server.port, cors_origins=PAGE)) as (port, _):
        async with Window(f"http://127.0.0.1:{port}", headers=elsewhere) as window:
            assert window.response is not None
            assert "access-control-allow-origin" not in window.response.headers
            assert window.response.headers["vary"] == "Origin"
        async with Window(f"http://127.0.0.1:{port}", headers={"origin": PAGE}, ticket="A" * 43) as refused:
            assert refused.response is not None
            assert refused.status == 401
            assert refused.response.headers["access-control-allow-origin"] == PAGE
