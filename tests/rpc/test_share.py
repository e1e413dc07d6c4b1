"""What one organisation may have in flight."""

import asyncio

import pytest
from grpc import StatusCode
from structlog.testing import capture_logs

from readstate.client import ReadState
from readstate.config import ServerSettings
from readstate.v1.system_events_pb2 import GetUnreadCountRequest, MarkReadRequest
from tests.rpc.gate import Gate
from tests.rpc.wire import Wire, failure

MARK_READ = "SystemEventService/MarkRead"
ONE = MarkReadRequest(event_ids=[1])
LARGE = MarkReadRequest(event_ids=range(1, 10_001))


@pytest.fixture
def settings(settings: ServerSettings) -> ServerSettings:
    return settings.model_copy(update={"max_in_flight": 8})


@pytest.fixture
async def known(ada: ReadState, grace: ReadState, bob: ReadState, wire: Wire) -> None:
    """The server has seen them: ada and grace in acme, bob in globex."""
    for user in "ada", "grace", "bob":
        await wire.call("SystemEventService/GetUnreadCount", GetUnreadCountRequest(), wire.bearer(user))


async def test_one_organisation_leaves_a_quarter_of_the_places_to_others(known: None, wire: Wire, gate: Gate) -> None:
    served = [asyncio.create_task(wire.call(MARK_READ, ONE, wire.bearer(user))) for user in ("ada", "grace") * 3]
    await gate.holds(6)
    for user in "ada", "grace":
        found = await failure(wire.call(MARK_READ, ONE, wire.bearer(user), timeout=1))
        assert found.code is StatusCode.RESOURCE_EXHAUSTED
    served += [asyncio.create_task(wire.call(MARK_READ, ONE, wire.bearer("bob"))) for _ in range(2)]
    await gate.holds(8)
    gate.open.set()
    await asyncio.gather(*served)
    await wire.call(MARK_READ, ONE, wire.bearer("ada"))


async def test_a_large_request_takes_more_places(known: None, wire: Wire, gate: Gate) -> None:
    served = [asyncio.create_task(wire.call(MARK_READ, ONE, wire.bearer("ada"))) for _ in range(4)]
    await gate.holds(4)
    found = await failure(wire.call(MARK_READ, LARGE, wire.bearer("grace"), timeout=1))
    assert found.code is StatusCode.RESOURCE_EXHAUSTED
    served.append(asyncio.create_task(wire.call(MARK_READ, LARGE, wire.bearer("bob"))))
    await gate.holds(5)
    gate.open.set()
    await asyncio.gather(*served)


async def test_the_log_tells_whose_calls_are_shed(known: None, wire: Wire, gate: Gate) -> None:
    served = [asyncio.create_task(wire.call(MARK_READ, ONE, wire.bearer("ada"))) for _ in range(6)]
    await gate.holds(6)
    with capture_logs() as lines:
        for _ in range(2):
            await failure(wire.call(MARK_READ, ONE, wire.bearer("grace"), timeout=1))
    line, *_ = [line for line in lines if line["event"].startswith("overloaded")]
    assert line["log_level"] == "warning"
    assert line["org_key"] == 1
    assert (line["calls"], line["limit"]) == (1, 6)
    gate.open.set()
    await asyncio.gather(*served)
