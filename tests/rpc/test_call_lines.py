"""The line of a call in the log: which trace it is a part of, and which calls have one."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc

from readstate.config import ServerSettings
from readstate.server import app
from readstate.v1.directory_pb2 import UpsertMembersRequest
from readstate.v1.system_events_pb2 import MarkReadRequest
from tests.rpc.wire import Wire, failure

MARK_READ = "SystemEventService/MarkRead"
UPSERT = "DirectoryService/UpsertMembers"
ONE = MarkReadRequest(event_ids=[1])
ADA = UpsertMembersRequest(members=[{"user_id": "ada", "org_id": "acme"}])
TRACE = "0af7651916cd43dd8448eb211c80319c"


@asynccontextmanager
async def serving(settings: ServerSettings) -> AsyncIterator[Wire]:
    async with (
        app.running_server(settings) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        yield Wire(channel, settings)


def calls(log: str) -> list[dict[str, object]]:
    return [line for line in map(json.loads, log.splitlines()) if line["event"] == "call"]


async def test_a_line_names_the_trace_that_the_caller_is_in(
    logged: Callable[[], str], settings: ServerSettings
) -> None:
    async with serving(settings) as wire:
        for parent in f"00-{TRACE}-b7ad6b7169203331-00", "no trace":
            await failure(wire.call(MARK_READ, ONE, (*wire.bearer("ada"), ("traceparent", parent))))
    assert [line["trace_id"] for line in calls(logged())] == [TRACE, None]


async def test_lines_of_successes_are_left_out_and_those_of_failures_never(
    logged: Callable[[], str], settings: ServerSettings
) -> None:
    async with serving(settings.model_copy(update={"log_successes": 0.0})) as wire:
        bearer = wire.bearer("service", scope="directory:write")
        await wire.call(UPSERT, ADA, bearer)
        await failure(wire.call(MARK_READ, ONE, wire.bearer("nobody")))
    assert [line["code"] for line in calls(logged())] == ["UNAUTHENTICATED"]


async def test_a_part_of_the_successes_has_lines_the_same_wherever_their_id_is_seen(
    logged: Callable[[], str], settings: ServerSettings
) -> None:
    async with serving(settings.model_copy(update={"log_successes": 0.25})) as wire:
        bearer = wire.bearer("service", scope="directory:write")
        for _ in range(2):
            for number in range(100):
                metadata = (*bearer, ("x-request-id", f"r-{number}"))
                await wire.call(UPSERT, ADA, metadata)
    ids = [line["request_id"] for line in calls(logged())]
    assert 10 < len(set(ids)) < 45
    assert ids == 2 * ids[: len(ids) // 2]
