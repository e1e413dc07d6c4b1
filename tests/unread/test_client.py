"""`watch_unread` of the Python client, which connects again by itself."""

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest

from readstate.client import ReadState, watching
from readstate.config import ServerSettings
from readstate.errors import ExpiredToken, NoOrganization, Unavailable, UnknownUser
from readstate.identity import tokens
from readstate.model import InboxState, UnreadSummary
from readstate.rpc.unread import stream
from readstate.server.app import RunningServer
from tests.conftest import ClientFor
from tests.serving import serving
from tests.waiting import until

SECONDS = 20


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LONGEST_WAIT", 0.2)


async def until_unread(states: AsyncIterator[InboxState], count: int) -> InboxState:
    async with asyncio.timeout(SECONDS):
        async for state in states:
            if state.events.unread == count:
                return state
    raise AssertionError("the states have ended")


async def test_it_tells_the_state_and_every_change_and_no_heartbeat(
    ada: ReadState, client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.02)
    states = client_for("ada", scope="messaging:read").watch_unread()
    first = await anext(states)
    assert (first.events.unread, first.events.head, first.notifications) == (50, 50, UnreadSummary(0, 0))
    following = asyncio.ensure_future(anext(states))
    await asyncio.sleep(0.5)
    assert not following.done()
    await ada.mark_read([1, 2])
    assert (await following).events.unread == 48
    assert (await anext(ada.watch_unread())).notifications is None


async def test_it_connects_again_when_the_server_is_killed(database_url: str, hasty: None) -> None:
    async with serving(database_url) as server:
        producer = server.client("producer", scope="system_events:write directory:write")
        await producer.upsert_members({"ada": "acme"})
        await producer.record_system_events("acme", [{"type": "t"}] * 10)
        await producer.close()
        ada = server.client("ada")
        states = ada.watch_unread()
        await until_unread(states, 10)
        await server.stop(signal.SIGKILL)
        waiting = asyncio.create_task(until_unread(states, 9))
        async with serving(database_url, port=server.port) as again, again.client("ada") as other:
            await other.mark_read([1])
            await waiting
            await again.stop()
        await ada.close()


async def test_it_fetches_a_new_token_when_the_old_one_has_expired(
    demo_data: None, ada: ReadState, server: RunningServer, settings: ServerSettings
) -> None:
    fetched = 0

    async def token() -> str:
        nonlocal fetched
        fetched += 1
        return tokens.sign(settings, user="ada", expires_in=2)

    async with ReadState(f"127.0.0.1:{server.port}", token=token) as client:
        states = client.watch_unread()
        await until_unread(states, 50)
        async with asyncio.timeout(SECONDS):
            await anext(states)  # the first one of the next stream
        assert fetched == 2
        await ada.mark_read([1])
        await until_unread(states, 49)


async def test_it_raises_what_no_attempt_would_mend(
    demo_data: None, client_for: ClientFor, server: RunningServer, settings: ServerSettings
) -> None:
    for user, error in ("carol", NoOrganization), ("nobody-knows", UnknownUser):
        with pytest.raises(error):
            await anext(client_for(user).watch_unread())
    old = tokens.sign(settings, user="ada", expires_in=-60)

    async def fetch() -> str:
        return old

    for token in old, fetch:
        async with ReadState(f"127.0.0.1:{server.port}", token=token) as client:
            with pytest.raises(ExpiredToken):
                await anext(client.watch_unread())


async def test_it_ends_when_the_client_is_closed(demo_data: None, client_for: ClientFor, hasty: None) -> None:
    client = client_for("ada")
    states = client.watch_unread()
    await anext(states)
    waiting = asyncio.ensure_future(anext(states))
    await asyncio.sleep(0.1)
    await client.close()
    async with asyncio.timeout(SECONDS):
        with pytest.raises(Unavailable, match="closed"):
            await waiting


async def test_who_stops_reading_leaves_no_stream_open(
    demo_data: None, client_for: ClientFor, server: RunningServer
) -> None:
    states = client_for("ada").watch_unread()
    await anext(states)
    waiting = asyncio.ensure_future(anext(states))
    await asyncio.sleep(0.1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await until(lambda: server.metrics.registry.get_sample_value("readstate_streams") == 0)
