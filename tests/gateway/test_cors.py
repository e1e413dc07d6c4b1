"""A browser: what it asks before a page may call, and what it needs to see in the answer."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

import httpx
import pytest
from httpx import AsyncClient

from readstate.config import GatewaySettings, load
from readstate.errors import StartupError
from readstate.gateway import app as gateway_app
from readstate.server.app import RunningServer
from tests.gateway.conftest import PATH, Bearer, settings_for

APP = "https://app.example"
OTHER = "https://evil.example"

RestFor: TypeAlias = Callable[[str], AbstractAsyncContextManager[AsyncClient]]


@pytest.fixture
def rest_for(server: RunningServer) -> RestFor:
    """A client of a gateway that lets these origins in."""

    @asynccontextmanager
    async def rest_for(origins: str) -> AsyncIterator[AsyncClient]:
        async with (
            gateway_app.running_gateway(settings_for(server.port, cors_origins=origins)) as (port, _),
            AsyncClient(base_url=f"http://127.0.0.1:{port}") as rest,
        ):
            yield rest

    return rest_for


async def preflight(rest: AsyncClient, origin: str, method: str = "DELETE") -> httpx.Response:
    """What a browser asks before it sends a token, or JSON, or DELETE."""
    asked = {"access-control-request-method": method, "access-control-request-headers": "authorization,content-type"}
    response = await rest.options(PATH, headers={"origin": origin, **asked})
    assert response.status_code == 204
    return response


def cors(response: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name.startswith("access-control-")}


@pytest.mark.parametrize("origins", [APP, f"https://first.example, {APP}", f"https://first.example {APP}"])
async def test_an_allowed_page_may_call(rest_for: RestFor, demo_data: None, bearer: Bearer, origins: str) -> None:
    async with rest_for(origins) as rest:
        asked = await preflight(rest, APP)
        assert cors(asked) == {
            "access-control-allow-origin": APP,
            "access-control-allow-methods": "POST, DELETE, OPTIONS",
            "access-control-allow-headers": "Authorization, Content-Type, Idempotency-Key, If-None-Match, Traceparent, "
            "Tracestate, X-Request-Id",
            "access-control-expose-headers": "ETag, Idempotent-Replayed, Retry-After, X-Request-Id",
            "access-control-max-age": "600",
        }
        assert asked.headers["vary"] == "Origin"
        answer = await rest.request("DELETE", PATH, json={"id": 1}, headers={"origin": APP, **bearer("ada")})
        assert answer.status_code == 200
        assert cors(answer) == {
            "access-control-allow-origin": APP,
            "access-control-expose-headers": "ETag, Idempotent-Replayed, Retry-After, X-Request-Id",
        }
        assert answer.headers["vary"] == "Origin"


async def test_an_allowed_page_may_read_errors(rest_for: RestFor) -> None:
    async with rest_for(APP) as rest:
        for verb, path, content in (("POST", PATH, b""), ("GET", "/nope", b""), ("POST", PATH, b" " * 300_000)):
            answer = await rest.request(verb, path, content=content, headers={"origin": APP})
            assert answer.status_code in (401, 404, 413)
            assert answer.headers["access-control-allow-origin"] == APP


@pytest.mark.parametrize("origin", [OTHER, "null", "http://app.example", f"{APP}:8443", f"{APP}.evil.example", ""])
async def test_another_page_may_not(rest_for: RestFor, origin: str) -> None:
    async with rest_for(APP) as rest:
        asked = await preflight(rest, origin)
        assert cors(asked) == {}
        assert asked.headers["vary"] == "Origin"
        answer = await rest.post(PATH, headers={"origin": origin})
        assert cors(answer) == {}
        assert answer.headers["vary"] == "Origin"


async def test_every_page_may_if_the_setting_says_so(rest_for: RestFor) -> None:
    async with rest_for("*") as rest:
        for origin in (APP, OTHER, "null"):
            asked = await preflight(rest, origin)
            assert cors(asked)["access-control-allow-origin"] == "*"
            assert "access-control-allow-credentials" not in asked.headers
            assert cors(await rest.post(PATH, headers={"origin": origin}))["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("origin", ["http://localhost:5173", "http://localhost", "http://localhost:80"])
async def test_a_page_of_this_machine_may_in_development(server: RunningServer, origin: str) -> None:
    async with (
        gateway_app.running_gateway(settings_for(server.port), pages_on_localhost=True) as (port, _),
        AsyncClient(base_url=f"http://127.0.0.1:{port}") as rest,
    ):
        assert cors(await preflight(rest, origin))["access-control-allow-origin"] == origin
        assert cors(await rest.post(PATH, headers={"origin": origin}))["access-control-allow-origin"] == origin
        for other in (OTHER, "https://localhost", "http://localhost.evil.example", "http://localhost:1@evil.example"):
            assert cors(await preflight(rest, other)) == {}


async def test_no_page_may_by_default(rest: AsyncClient) -> None:
    for origin in (APP, "http://localhost:5173"):
        asked = await preflight(rest, origin)
        assert cors(asked) == {}
        assert "vary" not in asked.headers
        assert cors(await rest.post(PATH, headers={"origin": origin})) == {}


async def test_a_program_that_is_no_browser_is_not_asked(rest_for: RestFor, demo_data: None, bearer: Bearer) -> None:
    async with rest_for(APP) as rest:
        answer = await rest.post(PATH, json={"id": 1}, headers=bearer("ada"))
        assert answer.status_code == 200
        assert cors(answer) == {}


@pytest.mark.parametrize(
    "origins",
    [
        "app.example",
        "https://app.example/",
        "https://app.example/x",
        "HTTPS://app.example",
        "https://App.example",
        "null",
        "*.example",
    ],
)
def test_an_origin_that_no_browser_sends_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch, origins: str) -> None:
    monkeypatch.setenv("READSTATE_CORS_ORIGINS", origins)
    with pytest.raises(StartupError, match="READSTATE_CORS_ORIGINS: must be origins as browsers send them"):
        load(GatewaySettings)


def test_origins_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READSTATE_CORS_ORIGINS", "https://a.example,https://b.example:8443, http://localhost:3000")
    assert load(GatewaySettings).cors_origins == (
        "https://a.example",
        "https://b.example:8443",
        "http://localhost:3000",
    )
