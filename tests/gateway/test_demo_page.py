"""`/demo`, which only `readstate dev` adds to its gateway."""

from collections.abc import AsyncIterator

import httpx
import pytest

from readstate.config import ServerSettings
from readstate.dev import demo_routes
from readstate.gateway import app as gateway_app
from readstate.server.app import RunningServer
from tests.gateway.conftest import Bearer, settings_for


@pytest.fixture
async def page(server: RunningServer, settings: ServerSettings, demo_data: None) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway with the page."""
    async with (
        gateway_app.running_gateway(
            settings_for(server.port), lambda upstream: demo_routes.routes(upstream, settings)
        ) as (port, _),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False) as client,
    ):
        yield client


async def _token(page: httpx.AsyncClient, user: str = "ada") -> dict[str, str]:
    answer = await page.post("/demo/token", json={"user": user})
    assert answer.status_code == 200
    return {"authorization": f"Bearer {answer.json()['token']}"}


async def test_an_ordinary_gateway_has_no_demo_page(rest: httpx.AsyncClient) -> None:
    for path in "/demo", "/demo/page.js", "/demo/readstate.js":
        assert (await rest.get(path)).status_code == 404
    for path in "/demo/token", "/demo/events":
        assert (await rest.post(path, json={"user": "ada"})).status_code == 404


async def test_the_page_and_its_files_come_with_a_strict_policy(page: httpx.AsyncClient) -> None:
    for path, media_type in {
        "/demo": "text/html",
        "/demo/page.css": "text/css",
        "/demo/page.js": "text/javascript",
        "/demo/readstate.js": "text/javascript",
    }.items():
        answer = await page.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(media_type)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


async def test_the_page_holds_no_style_and_no_script(page: httpx.AsyncClient) -> None:
    text = (await page.get("/demo")).text
    assert "<style" not in text
    assert " style=" not in text
    assert text.count("<script") == text.count('<script type="module" src="/demo/page.js"></script>') == 1


async def test_a_recorded_event_is_unread_for_both(page: httpx.AsyncClient) -> None:
    ada, grace = await _token(page), await _token(page, "grace")
    before = [(await page.get("/v1/system-events/unread-count", headers=who)).json() for who in (ada, grace)]
    recorded = await page.post("/demo/events", json={"count": 3}, headers=ada)
    assert len(recorded.json()["ids"]) == 3
    after = [(await page.get("/v1/system-events/unread-count", headers=who)).json() for who in (ada, grace)]
    assert [counts["unread_count"] for counts in after] == [counts["unread_count"] + 3 for counts in before]


async def test_recording_needs_the_token_of_its_sender(page: httpx.AsyncClient, bearer: Bearer) -> None:
    assert (await page.post("/demo/events", json={"count": 1})).status_code == 401
    assert (await page.post("/demo/events", json={"count": 1}, headers=bearer("ada"))).status_code == 403


@pytest.mark.parametrize("count", [0, 101, "1", True, None])
async def test_a_count_that_is_none_is_refused(page: httpx.AsyncClient, count: object) -> None:
    answer = await page.post("/demo/events", json={"count": count}, headers=await _token(page))
    assert answer.status_code == 400


async def test_others_get_no_token(page: httpx.AsyncClient) -> None:
    for user in "bob", "carol", "", None, ["ada"]:
        assert (await page.post("/demo/token", json={"user": user})).status_code == 404


async def test_a_page_that_gives_its_own_name_this_address_gets_no_token(page: httpx.AsyncClient) -> None:
    for host in "evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example:80":
        answer = await page.post("/demo/token", json={"user": "ada"}, headers={"host": host})
        assert answer.status_code == 403


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("127.0.0.1:8080", True),
        ("localhost:8080", True),
        ("[::1]:8080", True),
        ("[::1]", True),
        ("127.0.0.1", True),
        ("0.0.0.0:8080", False),
        ("[::]:8080", False),
        ("192.0.2.1:8080", False),
        ("readstate.example", False),
        (":8080", False),
        ("", False),
    ],
)
def test_only_this_machine_is_loopback(address: str, found: bool) -> None:
    assert demo_routes.is_loopback(address) is found
