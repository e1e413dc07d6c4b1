"""Too many calls at once, and too little time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
from grpc import StatusCode

from readstate import deadline
from readstate.client import ReadState
from readstate.config import LARGEST_INT32, LONGEST_SECONDS, ServerSettings
from readstate.errors import OutOfTime
from readstate.server import app
from readstate.v1.system_events_pb2 import MarkReadRequest
from tests.rpc.gate import Gate
from tests.rpc.wire import Failure, Wire, failure

MARK_READ = "SystemEventService/MarkRead"
ONE = MarkReadRequest(event_ids=[1])


@pytest.fixture
def settings(settings: ServerSettings) -> ServerSettings:
    return settings.model_copy(update={"max_in_flight": 2})


async def test_a_call_over_the_limit_is_refused_at_once_while_health_answers(
    ada: ReadState, wire: Wire, gate: Gate
) -> None:
    served = [asyncio.create_task(wire.call(MARK_READ, ONE, wire.bearer("ada"))) for _ in range(2)]
    await gate.holds(2)
    for metadata in wire.bearer("ada"), ():
        found = await failure(wire.call(MARK_READ, ONE, (*metadata, ("x-request-id", "r")), timeout=1))
        assert found == Failure(
            StatusCode.RESOURCE_EXHAUSTED,
            "too many calls in flight: try again",
            "OVERLOADED",
            "readstate",
            "r",
            (),
            1.0,
        )
    await wire.call("/grpc.health.v1.Health/Check", b"", timeout=1)
    gate.open.set()
    await asyncio.gather(*served)
    await wire.call(MARK_READ, ONE, wire.bearer("ada"))


async def test_calls_that_fail_or_are_given_up_leave_their_place_to_others(
    ada: ReadState, wire: Wire, gate: Gate
) -> None:
    for _ in range(5):
        await failure(wire.call(MARK_READ, ONE))
        given_up = asyncio.create_task(wire.call(MARK_READ, ONE, wire.bearer("ada")))
        await gate.holds(1)
        given_up.cancel()
        await gate.holds(0)
    gate.open.set()
    await wire.call(MARK_READ, ONE, wire.bearer("ada"))


async def test_a_client_that_has_less_time_is_not_kept_longer(ada: ReadState, gate: Gate) -> None:
    with pytest.raises(OutOfTime):
        await ada.mark_read([1], timeout=0.1)
    await gate.holds(0)


async def test_a_quarter_of_a_second_is_enough_for_any_call(ada: ReadState, producer: ReadState) -> None:
    await _in_one_of_twenty_tries(lambda: producer.upsert_members({"ada": "acme"}, timeout=0.25))
    # Looks the member up, which has just been forgotten.
    await _in_one_of_twenty_tries(lambda: ada.mark_read([1], timeout=0.25))
    await _in_one_of_twenty_tries(lambda: producer.record_system_events("acme", [{"type": "t"}], timeout=0.25))


async def _in_one_of_twenty_tries(call: Callable[[], Awaitable[object]]) -> None:
    # A slow machine may need more time for some; a server that reserves too much of it is never in time.
    for _ in range(20):
        try:
            await call()
        except OutOfTime:
            continue
        return
    pytest.fail("never in time")


async def test_a_stream_that_its_client_leaves_open_is_ended_but_for_health(
    channel: grpc.aio.Channel, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "CALL_SECONDS", 1.0)
    reflection: Any = channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
    health: Any = channel.unary_stream("/grpc.health.v1.Health/Watch")
    watch = health(b"")
    await watch.read()
    streams = [reflection(metadata=wire.bearer("anybody")) for _ in range(2)]
    for stream in streams:
        async with asyncio.timeout(30):
            assert (await failure(stream.read())).code == StatusCode.DEADLINE_EXCEEDED
    # Both places are free again.
    assert (await failure(wire.call(MARK_READ, ONE, wire.bearer("anybody")))).reason == "USER_NOT_FOUND"
    assert not watch.done()
    watch.cancel()


async def test_a_call_without_any_time_does_nothing(ada: ReadState, gate: Gate) -> None:
    with pytest.raises(OutOfTime):
        await ada.mark_read([1], timeout=0)
    await gate.holds(0)


async def test_a_connection_is_ended_at_an_age_of_less_than_a_second(settings: ServerSettings) -> None:
    if settings.engine == "native":
        pytest.skip("the native engine cannot end connections by age")
    aged = settings.model_copy(update={"max_connection_age": 0.5})
    async with app.running_server(aged) as server, grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        await channel.channel_ready()
        async with asyncio.timeout(30):
            await channel.wait_for_state_change(grpc.ChannelConnectivity.READY)


async def test_a_server_starts_with_the_largest_numbers_that_the_settings_take(settings: ServerSettings) -> None:
    largest = {"max_concurrent_streams": LARGEST_INT32, "max_connection_age": LONGEST_SECONDS}
    if settings.engine == "native":
        del largest["max_connection_age"]
    async with app.running_server(settings.model_copy(update=largest)):
        pass
