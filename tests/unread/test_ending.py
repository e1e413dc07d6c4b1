"""What ends a stream, what is refused, and what a stream does not take from calls."""

import asyncio
import time
from contextlib import AsyncExitStack

import asyncpg
import grpc
import pytest
from grpc import StatusCode

from readstate import deadline
from readstate.client import ReadState
from readstate.config import ServerSettings
from readstate.identity import tokens
from readstate.rpc.unread import hub, stream
from readstate.server import app
from readstate.server.app import RunningServer
from tests.conftest import ClientFor
from tests.rpc.wire import Failure
from tests.unread.conftest import Watch
from tests.unread.unread_client import UnreadClient
from tests.unread.watcher import Watcher
from tests.waiting import until


def told(failure: Failure) -> tuple[StatusCode, str | None]:
    return failure.code, failure.reason


async def test_a_stream_ends_when_its_token_expires(ada: ReadState, watch: Watch) -> None:
    watcher, other = watch("ada", expires_in=2), watch("ada")
    await other.state()
    assert told(await watcher.end()) == (StatusCode.UNAUTHENTICATED, "TOKEN_EXPIRED")
    assert len(watcher.states) == 1
    await ada.mark_read([1])
    await other.state(unread_count=49)


async def test_a_stream_ends_when_its_member_is_removed_also_through_another_server(
    demo_data: None, producer: ReadState, producer_elsewhere: ReadState, watch: Watch
) -> None:
    ada, grace, bob = watch("ada"), watch("grace"), watch("bob")
    await asyncio.gather(ada.state(), grace.state(), bob.state())
    await producer.remove_members(["ada"])
    await producer_elsewhere.remove_members(["grace"])
    assert told(await ada.end()) == (StatusCode.UNAUTHENTICATED, "USER_NOT_FOUND")
    assert told(await grace.end()) == (StatusCode.UNAUTHENTICATED, "USER_NOT_FOUND")
    await producer.record_system_events("globex", [{"type": "t"}])
    await bob.state(unread_count=51)


async def test_a_stream_ends_when_its_member_is_placed_elsewhere(
    demo_data: None, producer: ReadState, watch: Watch
) -> None:
    ada, grace = watch("ada"), watch("grace")
    await asyncio.gather(ada.state(), grace.state())
    await producer.upsert_members({"ada": "globex", "grace": None})
    assert told(await ada.end()) == (StatusCode.UNAVAILABLE, "MEMBER_MOVED")
    assert told(await grace.end()) == (StatusCode.PERMISSION_DENIED, "NO_ORGANIZATION")
    await watch("ada").state(unread_count=50, head=50)


async def test_a_member_of_no_organisation_is_refused(demo_data: None, watch: Watch) -> None:
    assert told(await watch("carol").end()) == (StatusCode.PERMISSION_DENIED, "NO_ORGANIZATION")


@pytest.mark.alone
async def test_a_server_that_stops_says_so_and_does_not_wait_for_streams(settings: ServerSettings) -> None:
    stack = AsyncExitStack()
    server = await stack.enter_async_context(app.running_server(settings))
    token = tokens.sign(settings, user="producer", scope="directory:write")
    async with ReadState(f"127.0.0.1:{server.port}", token=token) as producer:
        await producer.upsert_members({"ada": "acme"})
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        watchers = [Watcher(channel, f"Bearer {tokens.sign(settings, user='ada')}") for _ in range(20)]
        await asyncio.gather(*(watcher.state() for watcher in watchers))
        began = time.monotonic()
        await stack.aclose()
        assert time.monotonic() - began < 4
        for watcher in watchers:
            assert told(await watcher.end()) == (StatusCode.UNAVAILABLE, "DRAINING")


@pytest.mark.parametrize("settings", [{"max_streams": 3}], indirect=True)
async def test_one_stream_too_many_is_refused_and_one_that_has_ended_leaves_its_place(
    demo_data: None, server: RunningServer, watch: Watch
) -> None:
    watchers = [watch("ada"), watch("grace"), watch("bob")]
    await asyncio.gather(*(watcher.state() for watcher in watchers))
    assert told(await watch("ada").end()) == (StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS")
    assert server.metrics.registry.get_sample_value("readstate_streams") == 3
    watchers[0].leave()
    await until(lambda: server.metrics.registry.get_sample_value("readstate_streams") == 2)
    await watch("bob").state()


async def test_one_stream_too_many_of_a_member_is_refused(
    demo_data: None, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "STREAMS_PER_MEMBER", 2)
    watchers = [watch("ada"), watch("ada")]
    await asyncio.gather(*(watcher.state() for watcher in watchers))
    assert told(await watch("ada").end()) == (StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS")
    await watch("grace").state()


@pytest.mark.parametrize("settings", [{"max_in_flight": 1}], indirect=True)
async def test_streams_take_no_places_of_calls_and_outlast_them(
    ada: ReadState, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "CALL_SECONDS", 1.0)
    watchers = [watch("ada") for _ in range(3)]
    await asyncio.gather(*(watcher.state() for watcher in watchers))
    await asyncio.sleep(1.2)
    await ada.mark_read([1], timeout=10)
    await asyncio.gather(*(watcher.state(unread_count=49) for watcher in watchers))


@pytest.mark.alone
async def test_a_client_that_does_not_read_is_dropped_and_holds_nobody_up(
    ada: ReadState, server: RunningServer, settings: ServerSettings, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "UNREAD_SECONDS", 1.0)
    # The native engine has room for some messages of each stream.
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.01)
    monkeypatch.setattr(stream, "PAUSE_SECONDS", 0.01)
    token = tokens.sign(settings, user="ada")

    def streams() -> float | None:
        return server.metrics.registry.get_sample_value("readstate_streams")

    async with UnreadClient(server.port, token, streams=20):
        await until(lambda: streams() == 20)
        watcher = watch("ada")
        await watcher.state()
        marked = time.monotonic()
        await ada.mark_read([1])
        await watcher.state(unread_count=49)
        assert watcher.times[-1] - marked < 0.9
        await until(lambda: streams() == 1)


async def test_streams_outlive_a_database_that_is_away(
    demo_data: None, ada: ReadState, database_url: str, watch: Watch
) -> None:
    watcher = watch("ada")
    await watcher.state()
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await connection.close()
    await ada.mark_read([1])
    await watcher.state(unread_count=49)


async def test_streams_end_when_the_database_has_gone_back(
    ada: ReadState, client_for: ClientFor, database_url: str, watch: Watch
) -> None:
    await ada.mark_read([1, 2])
    watcher = watch("ada")
    await watcher.state(unread_count=48)
    connection = await asyncpg.connect(database_url)
    await connection.execute("DELETE FROM read_cursor")  # as a fail-over to a standby that was behind
    await connection.close()
    assert told(await watcher.end()) == (StatusCode.UNAVAILABLE, "STATE_LOST")
    assert (await watch("ada").state()).unread_count == 50
