"""The server away, stalled, restarted: an answer in time, and recovery without a restart of the gateway."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from httpx import AsyncClient

from readstate.config import ServerSettings
from readstate.errors import DatabaseUnavailable, StartupError
from readstate.gateway import app as gateway_app
from readstate.server import app
from readstate.server.app import RunningServer
from readstate.store.marks.store import MarkStore
from tests.acceptance.processes import free_port
from tests.gateway.conftest import PATH, Bearer, Gateway, settings_for
from tests.rpc.test_tls import Authority, authority
from tests.waiting import until

UNAVAILABLE = (503, b'{"error":"Service unavailable"}')
TIMEOUT = (504, b'{"error":"Gateway timeout"}')
SUCCESS = (200, b'{"success":true}')
IN_TIME = 7.0
"""Seconds within which the gateway has answered, whatever the server does."""
RECOVERY = 30.0
PROCESS_START = 60.0


@asynccontextmanager
async def rest_for(upstream: str | int, **values: object) -> AsyncIterator[tuple[AsyncClient, Gateway]]:
    """A client of a gateway that calls this server."""
    async with gateway_app.running_gateway(settings_for(upstream, **values)) as ports:
        gateway = Gateway(*ports)
        async with AsyncClient(base_url=gateway.url, timeout=30, trust_env=False) as rest:
            yield rest, gateway


async def ask(rest: AsyncClient) -> tuple[int, bytes]:
    """Status and body, which come in time."""
    started = time.monotonic()
    response = await rest.post(PATH, json={"id": 1})
    assert time.monotonic() - started < IN_TIME
    assert response.headers["content-type"] == "application/json"
    return response.status_code, response.content


async def recovered(rest: AsyncClient, seconds: float = RECOVERY) -> None:
    """The gateway answers from the server again, soon."""
    async with asyncio.timeout(seconds):
        while await ask(rest) != SUCCESS:  # noqa: ASYNC110 - nothing tells when
            await asyncio.sleep(0.05)


async def readiness(gateway: Gateway) -> int:
    async with AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{gateway.admin_url}/livez")).status_code == 200
        return (await client.get(f"{gateway.admin_url}/readyz")).status_code


@pytest.fixture
def port() -> int:
    """A port on which nobody listens."""
    return free_port()


@pytest.mark.alone
async def test_a_server_that_is_away_is_unavailable_at_once(port: int) -> None:
    async with rest_for(port) as (rest, gateway):
        started = time.monotonic()
        assert await ask(rest) == UNAVAILABLE
        assert time.monotonic() - started < 2
        assert await readiness(gateway) == 503


async def test_many_calls_at_once_to_a_server_that_is_away_are_all_answered(port: int) -> None:
    async with rest_for(port) as (rest, _):
        assert set(await asyncio.gather(*(ask(rest) for _ in range(100)))) == {UNAVAILABLE}


async def test_the_server_may_be_a_list_of_addresses(server: RunningServer, demo_data: None, bearer: Bearer) -> None:
    async with rest_for(f"ipv4:127.0.0.1:{server.port},127.0.0.1:{server.port}") as (rest, _):
        rest.headers.update(bearer("ada"))
        assert await ask(rest) == SUCCESS


async def test_a_name_that_is_nobodys_is_unavailable() -> None:
    async with rest_for("nowhere.invalid:50051") as (rest, gateway):
        assert await ask(rest) == UNAVAILABLE
        assert await readiness(gateway) == 503


@pytest.fixture
def black_hole() -> Iterator[socket.socket]:
    """Connections are accepted, and never a word is said."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


async def test_a_server_that_says_nothing_is_given_up_in_time(black_hole: socket.socket) -> None:
    async with rest_for(black_hole.getsockname()[1]) as (rest, gateway):
        assert set(await asyncio.gather(*(ask(rest) for _ in range(10)))) <= {UNAVAILABLE, TIMEOUT}
        assert await readiness(gateway) == 503


async def test_the_gateway_may_be_there_first(
    settings: ServerSettings, demo_data: None, bearer: Bearer, port: int
) -> None:
    async with rest_for(port) as (rest, gateway):
        rest.headers.update(bearer("ada"))
        assert await ask(rest) == UNAVAILABLE
        for _ in range(2):
            async with app.running_server(settings.model_copy(update={"listen": f"127.0.0.1:{port}"})):
                await recovered(rest)
                assert await readiness(gateway) == 200
            assert await ask(rest) == UNAVAILABLE
            assert await readiness(gateway) == 503


async def test_while_the_server_is_replaced_a_call_succeeds_or_is_unavailable(
    settings: ServerSettings, demo_data: None, bearer: Bearer, port: int
) -> None:
    # A call may meet a server that drains, nobody, or the next one.
    settings = settings.model_copy(update={"listen": f"127.0.0.1:{port}"})
    answers: list[tuple[int, bytes]] = []
    over = asyncio.Event()

    async def call_on(rest: AsyncClient) -> None:
        while not over.is_set():
            answers.append(await ask(rest))

    async with rest_for(port) as (rest, _):
        rest.headers.update(bearer("ada"))
        async with app.running_server(settings):
            await recovered(rest)
            calling = [asyncio.create_task(call_on(rest)) for _ in range(4)]
            await until(lambda: len(answers) > 20)
        async with app.running_server(settings):
            await recovered(rest)
            over.set()
            await asyncio.gather(*calling)
    assert set(answers) <= {SUCCESS, UNAVAILABLE}


class Server:
    """`readstate serve`, as a process that can be stopped, continued and killed."""

    def __init__(self, settings: ServerSettings, port: int) -> None:
        secret = settings.token_secret
        assert secret
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("READSTATE_")} | {
            "READSTATE_DATABASE_URL": settings.database_url.get_secret_value(),
            "READSTATE_TOKEN_ISSUER": settings.token_issuer,
            "READSTATE_TOKEN_AUDIENCE": settings.token_audience,
            "READSTATE_TOKEN_SECRET": secret.get_secret_value(),
            "READSTATE_LISTEN": f"127.0.0.1:{port}",
            "READSTATE_ADMIN_LISTEN": "127.0.0.1:0",
        }
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "readstate", "serve"]
        self.process = subprocess.Popen(command, env=self._environment, stderr=subprocess.DEVNULL)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


async def test_a_stalled_server_is_given_up_in_time_and_found_again_as_is_one_that_was_killed(
    settings: ServerSettings, demo_data: None, bearer: Bearer, port: int
) -> None:
    server = Server(settings, port)
    try:
        async with rest_for(port) as (rest, gateway):
            rest.headers.update(bearer("ada"))
            await recovered(rest, PROCESS_START)
            assert await readiness(gateway) == 200

            server.send(signal.SIGSTOP)
            assert set(await asyncio.gather(*(ask(rest) for _ in range(10)))) == {TIMEOUT}
            assert await readiness(gateway) == 503
            server.send(signal.SIGCONT)
            await recovered(rest)

            server.send(signal.SIGSTOP)
            waiting = asyncio.create_task(ask(rest))
            await asyncio.sleep(0.5)
            server.kill()
            assert await waiting == UNAVAILABLE
            assert await ask(rest) == UNAVAILABLE
            server.start()
            await recovered(rest, PROCESS_START)
            assert await readiness(gateway) == 200
    finally:
        server.kill()


async def test_a_database_that_is_away_is_unavailable(
    settings: ServerSettings, demo_data: None, bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailable

    monkeypatch.setattr(MarkStore, "mark_read", away)
    async with app.running_server(settings) as server, rest_for(server.port) as (rest, _):
        response = await rest.post(PATH, json={"id": 1}, headers=bearer("ada"))
        assert (response.status_code, response.content) == UNAVAILABLE
        assert response.headers["retry-after"] == "1"


# ── TLS ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def ca() -> Authority:
    return authority("ca")


def written(folder: Path, name: str, pair: tuple[bytes, bytes]) -> dict[str, Path]:
    """Files of a private key and its certificate."""
    paths = {"key": folder / f"{name}.key", "cert": folder / f"{name}.crt"}
    paths["key"].write_bytes(pair[0])
    paths["cert"].write_bytes(pair[1])
    return paths


async def test_tls_to_the_server_and_mutual_tls(
    settings: ServerSettings, demo_data: None, bearer: Bearer, tmp_path: Path, ca: Authority
) -> None:
    roots, stranger = tmp_path / "ca.crt", tmp_path / "stranger.crt"
    roots.write_bytes(ca.certificate)
    stranger.write_bytes(authority("stranger").certificate)
    server_pair = written(tmp_path, "server", ca.issue("server"))
    client_pair = written(tmp_path, "client", ca.issue("client"))
    tls = settings.model_copy(
        update={"engine": "grpcio", "tls_key": server_pair["key"], "tls_cert": server_pair["cert"]}
    )
    mutual = tls.model_copy(update={"tls_client_ca": roots})
    shown = {"upstream_ca": roots, "upstream_key": client_pair["key"], "upstream_cert": client_pair["cert"]}

    async def asked(port: int, **values: object) -> tuple[int, bytes]:
        async with rest_for(port, **values) as (rest, _):
            rest.headers.update(bearer("ada"))
            return await ask(rest)

    async with app.running_server(tls) as server:
        assert await asked(server.port, upstream_ca=roots) == SUCCESS
        assert await asked(server.port, upstream_ca=stranger) == UNAVAILABLE
        assert await asked(server.port, upstream_tls=True) == UNAVAILABLE
        assert await asked(server.port) == UNAVAILABLE
    async with app.running_server(mutual) as server:
        assert await asked(server.port, **shown) == SUCCESS
        assert await asked(server.port, upstream_ca=roots) == UNAVAILABLE


async def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="READSTATE_UPSTREAM_CA: cannot read the file: No such file"):
        async with gateway_app.running_gateway(settings_for(1, upstream_ca=tmp_path / "nothing")):
            pass


def test_half_of_a_client_pair_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="READSTATE_UPSTREAM_CERT and READSTATE_UPSTREAM_KEY go together"):
        settings_for(1, upstream_cert=tmp_path / "client.crt")
