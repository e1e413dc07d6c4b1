"""`/v1/unread`: windows that hear of every change."""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

import httpx
import pytest

from readstate.client import ReadState
from readstate.config import ServerSettings
from readstate.gateway import app as gateway_app
from readstate.gateway.live import event_stream
from readstate.identity import tokens
from readstate.server import app
from readstate.server.app import RunningServer
from tests.gateway.conftest import Bearer, Gateway, settings_for
from tests.gateway.window import Window, streams
from tests.waiting import until

STREAM = "/v1/unread/stream"
TICKET = "/v1/unread/ticket"


async def ticket(rest: httpx.AsyncClient, headers: dict[str, str]) -> str:
    response = await rest.post(TICKET, headers=headers)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    assert response.json().keys() == {"ticket", "expires_at"}
    found: str = response.json()["ticket"]
    return found


async def test_a_window_is_told_the_state_and_every_change(
    watched: ReadState, wanda: str, gateway: Gateway, bearer: Bearer
) -> None:
    async with Window(gateway.url, headers=bearer(wanda)) as window:
        assert window.response is not None
        assert window.response.headers["content-type"] == "text/event-stream"
        assert window.response.headers["cache-control"] == "no-store"
        assert window.response.headers["x-accel-buffering"] == "no"
        assert "content-length" not in window.response.headers
        first = await window.state()
        assert first == {"unread_count": 10, "head": 10, "version": 0}
        await watched.mark_read([1, 2])
        assert await window.state(unread_count=8) == {"unread_count": 8, "head": 10, "version": 1}


async def test_notifications_are_told_with_the_scope(
    watched: ReadState, wanda: str, org_id: str, gateway: Gateway, bearer: Bearer
) -> None:
    async with Window(gateway.url, headers=bearer(wanda, scope="messaging:read")) as window:
        assert (await window.state())["notifications"] == {"unseen": 0, "unread": 0, "version": 0}
        await watched.create_notifications(org_id, [wanda], category="c", title="Hello")
        await window.state(notifications={"unseen": 1, "unread": 1, "version": 1})


async def test_a_window_without_headers_shows_a_ticket(
    watched: ReadState, wanda: str, gateway: Gateway, rest: httpx.AsyncClient, bearer: Bearer
) -> None:
    mine = await ticket(rest, bearer(wanda))
    async with Window(gateway.url, ticket=mine) as window:
        await window.state(unread_count=10)
        await watched.mark_read([1])
        await window.state(unread_count=9)
        async with Window(gateway.url, ticket=mine) as again:
            assert again.status == 401


async def test_all_windows_of_a_token_share_one_stream_of_the_server(
    watched: ReadState, wanda: str, server: RunningServer, gateway: Gateway, rest: httpx.AsyncClient, bearer: Bearer
) -> None:
    await until(lambda: streams(server) == 0)
    mine, others = bearer(wanda), bearer(wanda, scope="messaging:read")
    async with (
        Window(gateway.url, headers=mine) as first,
        Window(gateway.url, headers=mine) as second,
        Window(gateway.url, ticket=await ticket(rest, mine)) as third,
        Window(gateway.url, ticket=await ticket(rest, mine)) as fourth,
    ):
        windows = first, second, third, fourth
        await asyncio.gather(*(window.state(unread_count=10) for window in windows))
        await until(lambda: streams(server) == 1)
        async with Window(gateway.url, headers=others) as other:
            await other.state()
            assert streams(server) == 2
        await watched.mark_read([1])
        await asyncio.gather(*(window.state(unread_count=9) for window in windows))
    await until(lambda: streams(server) == 0)


async def test_windows_that_open_at_once_share_it_too(
    watched: ReadState, wanda: str, server: RunningServer, gateway: Gateway, bearer: Bearer
) -> None:
    windows = [Window(gateway.url, headers=bearer(wanda)) for _ in range(8)]
    await asyncio.gather(*(window.__aenter__() for window in windows))
    await asyncio.gather(*(window.state(unread_count=10) for window in windows))
    assert streams(server) == 1
    await asyncio.gather(*(window.__aexit__() for window in windows))
    await until(lambda: streams(server) == 0)


async def test_nobody_hears_what_another_token_may_see(
    watched: ReadState, wanda: str, gateway: Gateway, bearer: Bearer
) -> None:
    mine = bearer(wanda)
    forged = {"authorization": mine["authorization"][:-4] + "AAAA"}
    async with Window(gateway.url, headers=mine) as window:
        await window.state()
        async with Window(gateway.url, headers=forged) as other:
            assert (other.status, other.events) == (401, [])


@pytest.mark.parametrize("value", ["", "x", "a b", "A" * 300, "ü"])
async def test_a_ticket_that_is_none_is_refused(server: RunningServer, gateway: Gateway, value: str) -> None:
    async with Window(gateway.url, ticket=value) as window:
        assert window.status == 401
        assert window.response is not None
        assert window.response.json()["error"]["code"] == "ticket_invalid"


async def test_who_may_not_watch_is_told_why(
    rest: httpx.AsyncClient, demo_data: None, bearer: Bearer, subtests: pytest.Subtests
) -> None:
    expired = bearer("ada", expires_in=-60)
    for headers, status, code in (
        ({}, 401, "token_missing"),
        (expired, 401, "token_expired"),
        (bearer("nobody-knows"), 401, "user_not_found"),
        (bearer("carol"), 403, "no_organization"),
    ):
        for verb, path in ("GET", STREAM), ("POST", TICKET):
            with subtests.test(path=path, code=code):
                response = await rest.request(verb, path, headers=headers)
                assert (response.status_code, response.json()["error"]["code"]) == (status, code)


async def test_a_window_is_told_that_its_token_has_expired(
    watched: ReadState, wanda: str, gateway: Gateway, server: RunningServer, bearer: Bearer
) -> None:
    # Ten seconds are the server's leeway.
    async with Window(gateway.url, headers=bearer(wanda, expires_in=-8)) as window:
        await window.state()
        assert (await window.end())["code"] == "token_expired"


async def test_a_quiet_stream_has_comments(
    watched: ReadState, wanda: str, gateway: Gateway, bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_SECONDS", 0.05)
    async with Window(gateway.url, headers=bearer(wanda)) as window:
        await until(lambda: window.comments >= 3)
        assert len(window.states) == 1


async def test_a_head_ends_and_leaves_nothing_open(
    watched: ReadState, wanda: str, server: RunningServer, rest: httpx.AsyncClient, bearer: Bearer
) -> None:
    response = await rest.head(STREAM, headers=bearer(wanda))
    assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream")
    await until(lambda: streams(server) == 0)


async def test_streams_take_no_room_from_calls(
    watched: ReadState, org_id: str, gateway: Gateway, rest: httpx.AsyncClient, settings: ServerSettings
) -> None:
    """Each token has a stream of its own: more than one channel carries."""
    users = [f"many{number}" for number in range(110)]
    await watched.upsert_members(dict.fromkeys(users, org_id))
    headers = [{"authorization": f"Bearer {tokens.sign(settings, user=user)}"} for user in users]
    windows = [Window(gateway.url, headers=each) for each in headers]
    await asyncio.gather(*(window.__aenter__() for window in windows))
    await asyncio.gather(*(window.state(unread_count=10) for window in windows))
    # Without a place it would wait until its time is over.
    assert (await rest.get("/v1/system-events/unread-count", headers=headers[0])).status_code == 200
    await watched.record_system_events(org_id, [{"type": "t"}])
    await asyncio.gather(*(window.state(unread_count=11) for window in windows))
    await asyncio.gather(*(window.__aexit__() for window in windows))


@pytest.mark.alone
async def test_a_gateway_that_leaves_tells_its_windows_when_to_come_back(
    watched: ReadState, wanda: str, server: RunningServer, bearer: Bearer
) -> None:
    async with gateway_app.running_gateway(settings_for(server.port)) as (port, _):
        windows = [Window(f"http://127.0.0.1:{port}", headers=bearer(wanda)) for _ in range(5)]
        await asyncio.gather(*(window.__aenter__() for window in windows))
        await asyncio.gather(*(window.state() for window in windows))
        began = time.monotonic()
    assert time.monotonic() - began < 3
    for window in windows:
        assert (await window.end())["code"] == "draining"
        assert window.retry is not None
        assert 500 <= window.retry <= 3000


async def test_windows_are_told_that_their_server_leaves(
    watched: ReadState, wanda: str, settings: ServerSettings, bearer: Bearer
) -> None:
    async with AsyncExitStack() as stack:
        ending = AsyncExitStack()
        server = await ending.enter_async_context(app.running_server(settings))
        port, _ = await stack.enter_async_context(gateway_app.running_gateway(settings_for(server.port)))
        window = await stack.enter_async_context(Window(f"http://127.0.0.1:{port}", headers=bearer(wanda)))
        await window.state()
        await ending.aclose()
        assert (await window.end())["code"] == "draining"
        assert window.retry is not None


async def test_tickets_and_tokens_are_not_logged(
    logged: Callable[[], str], watched: ReadState, wanda: str, gateway: Gateway, rest: httpx.AsyncClient, bearer: Bearer
) -> None:
    headers = bearer(wanda)
    mine = await ticket(rest, headers)
    async with Window(gateway.url, ticket=mine) as window:
        await window.state()
    await until(lambda: '"/v1/unread/stream"' in logged())
    token = headers["authorization"].removeprefix("Bearer ")
    for secret in mine, token, hashlib.sha256(token.encode()).hexdigest():
        assert secret not in logged()
    lines = [json.loads(line) for line in logged().splitlines() if '"/v1/unread/stream"' in line]
    assert [line["status"] for line in lines] == [200]
