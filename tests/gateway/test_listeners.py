"""The gateway as a process: its two listeners, its beginning and its end."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from httpx import AsyncClient, ConnectError

from readstate.errors import StartupError
from readstate.gateway import app as gateway_app
from readstate.server.app import RunningServer
from tests.gateway.conftest import PATH, Bearer, Gateway, settings_for
from tests.gateway.wire import Wire, head
from tests.waiting import until_answered


async def test_probes_and_metrics_are_on_the_admin_listener_alone(gateway: Gateway, as_ada: AsyncClient) -> None:
    await as_ada.post(PATH, json={"id": 1})
    await as_ada.get("/canary-path")
    async with AsyncClient(base_url=gateway.admin_url) as admin:
        assert (await admin.get("/livez")).text == "ok\n"
        assert (await admin.get("/readyz")).text == "ok\n"
        metrics = (await admin.get("/metrics")).text
        assert (await admin.post(PATH)).status_code == 404
    name = "readstate_gateway_requests_total"
    assert re.search(rf'^{name}{{method="POST",route="{PATH}",status="200"}} [1-9]', metrics, re.M)
    assert re.search(rf'^{name}{{method="GET",route="unknown",status="404"}} [1-9]', metrics, re.M)
    assert re.search(rf'^readstate_gateway_request_seconds_count{{route="{PATH}"}} [1-9]', metrics, re.M)
    assert "canary" not in metrics
    for path in ("/livez", "/readyz", "/metrics"):
        assert (await as_ada.get(path)).status_code == 404


async def test_a_port_in_use_is_named(gateway: Gateway) -> None:
    for name in ("gateway_listen", "gateway_admin_listen"):
        with pytest.raises(StartupError, match=f"READSTATE_{name.upper()}: cannot listen on 127.0.0.1:{gateway.port}"):
            async with gateway_app.running_gateway(settings_for(1, **{name: f"127.0.0.1:{gateway.port}"})):
                pass


async def test_connections_are_capped() -> None:
    async with gateway_app.running_gateway(settings_for(1, gateway_max_connections=1)) as (port, _), Wire(port) as wire:
        assert (await wire.send(head("GET", "/x"))).status == 404
        async with Wire(port) as another:
            assert (await another.send()).status == 503
        assert (await wire.send(head("GET", "/x"))).status == 404


async def said(client: AsyncClient, url: str, status: int) -> bool:
    return (await client.get(url)).status_code == status


async def test_a_gateway_that_leaves_says_so_first_and_serves_on_meanwhile(
    server: RunningServer, demo_data: None, bearer: Bearer
) -> None:
    async def live(started: "asyncio.Future[Gateway]", end: asyncio.Event) -> None:
        async with gateway_app.running_gateway(settings_for(server.port, drain_delay=2)) as ports:
            started.set_result(Gateway(*ports))
            await end.wait()

    started: asyncio.Future[Gateway] = asyncio.get_running_loop().create_future()
    end = asyncio.Event()
    life = asyncio.create_task(live(started, end))
    gateway = await started
    async with AsyncClient(base_url=gateway.url, headers=bearer("ada")) as rest, AsyncClient() as admin:
        assert (await admin.get(f"{gateway.admin_url}/readyz")).status_code == 200
        end.set()
        await until_answered(lambda: said(admin, f"{gateway.admin_url}/readyz", 503))
        assert (await admin.get(f"{gateway.admin_url}/livez")).status_code == 200
        assert (await rest.post(PATH, json={"id": 1})).status_code == 200
        async with asyncio.timeout(30):
            await life
        with pytest.raises(ConnectError):
            await rest.post(PATH, json={"id": 1})


@dataclass
class Process:
    """`readstate gateway`."""

    process: asyncio.subprocess.Process
    port: int

    async def end(self) -> float:
        """Send SIGTERM; returns the seconds that it took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(15):
            assert await self.process.wait() == 0
        return time.monotonic() - started


@asynccontextmanager
async def process(upstream: int, **settings: str) -> AsyncIterator[Process]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("READSTATE_")} | {
        "READSTATE_UPSTREAM": f"127.0.0.1:{upstream}",
        "READSTATE_GATEWAY_LISTEN": "127.0.0.1:0",
        "READSTATE_GATEWAY_ADMIN_LISTEN": "127.0.0.1:0",
        **settings,
    }
    command = [sys.executable, "-W", "error", "-m", "readstate", "gateway"]
    started = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.PIPE)
    assert started.stderr
    try:
        async with asyncio.timeout(60):
            line = await started.stderr.readline()
        yield Process(started, json.loads(line)["port"])
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


async def test_the_command_serves_until_sigterm_and_drains(
    server: RunningServer, demo_data: None, bearer: Bearer
) -> None:
    async with process(server.port, READSTATE_DRAIN_DELAY="0.5") as gateway:
        async with AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", headers=bearer("ada")) as rest:
            assert (await rest.post(PATH, json={"id": 1})).content == b'{"success":true}'
        assert 0.5 <= await gateway.end() < 5


async def test_a_call_in_flight_is_finished_at_the_end() -> None:
    # The server accepts and says nothing, so the call ends with the time that connecting has, after SIGTERM.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        async with process(silent.getsockname()[1], READSTATE_DRAIN_DELAY="0") as gateway:
            async with AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", timeout=20) as rest:
                call = asyncio.create_task(rest.post(PATH, json={"id": 1}))
                connection, _ = await asyncio.get_running_loop().sock_accept(silent)
                took = await gateway.end()
                assert (await call).status_code in (503, 504)
            connection.close()
            assert took < 8


async def test_a_call_that_outlasts_the_grace_is_told_that_the_gateway_leaves() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        async with AsyncClient(timeout=20) as rest:
            async with gateway_app.running_gateway(settings_for(silent.getsockname()[1], drain_grace=0)) as (port, _):
                call = asyncio.create_task(rest.post(f"http://127.0.0.1:{port}{PATH}", json={"id": 1}))
                connection, _ = await asyncio.get_running_loop().sock_accept(silent)
            response = await call
        connection.close()
    assert (response.status_code, response.content) == (503, b'{"error":"Service unavailable"}')


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GATEWAY_LISTEN", "8080"),
        ("UPSTREAM_CERT", "x.crt"),
        ("CORS_ORIGINS", "app.example"),
        ("DRAIN_GRACE", "60"),
        ("GATEWAY_MAX_CONNECTIONS", "0"),
    ],
)
def test_a_setting_that_is_not_valid_is_told_in_one_line(name: str, value: str) -> None:
    environment = {key: text for key, text in os.environ.items() if not key.startswith("READSTATE_")}
    command = [sys.executable, "-m", "readstate", "gateway"]
    done = subprocess.run(
        command, env=environment | {f"READSTATE_{name}": value}, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 1
    assert re.fullmatch(rf"readstate: .*READSTATE_{name}.*\n", done.stderr)
