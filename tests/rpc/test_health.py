"""grpc.health.v1: each service, without a token, also where others misbehave."""

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Any

import grpc
import pytest
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc

from readstate.config import ServerSettings
from readstate.errors import DatabaseUnavailable
from readstate.rpc.health_proto import HealthListResponse
from readstate.server import app
from readstate.server.app import RunningServer
from readstate.store import pool
from readstate.store.pool import Database, Row
from tests.rpc.wire import Wire, failure
from tests.waiting import until_answered

SERVICES = (
    "",
    "readstate.v1.SystemEventService",
    "readstate.v1.UnreadService",
    "readstate.v1.DirectoryService",
    "readstate.v1.NotificationService",
)
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


def asking(service: str = "") -> health_pb2.HealthCheckRequest:
    return health_pb2.HealthCheckRequest(service=service)


@pytest.fixture
async def health(channel: grpc.aio.Channel) -> Any:
    return health_pb2_grpc.HealthStub(channel)


@pytest.fixture
def database_away(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """While set, the database answers nobody who asks how it is. The server notices fast."""
    away = asyncio.Event()
    failures = cycle([DatabaseUnavailable(), RuntimeError("what nobody expected")])
    rows = Database.rows

    async def faulty(self: Database, statement: str, *args: object, repeatable: bool) -> list[Row]:
        if away.is_set() and statement == pool.PING:
            raise next(failures)
        return await rows(self, statement, *args, repeatable=repeatable)

    monkeypatch.setattr(Database, "rows", faulty)
    monkeypatch.setattr("readstate.server.readiness.PERIOD_SECONDS", 0.01)
    return away


async def test_each_service_can_be_checked_without_a_token(health: Any) -> None:
    for service in SERVICES:
        assert (await health.Check(asking(service))).status == SERVING


async def test_the_services_are_listed_without_a_token(channel: grpc.aio.Channel) -> None:
    reply: Any = await channel.unary_unary(
        "/grpc.health.v1.Health/List", response_deserializer=HealthListResponse.FromString
    )(b"")  # type: ignore[arg-type]
    assert {service: status.status for service, status in reply.statuses.items()} == dict.fromkeys(SERVICES, SERVING)


async def test_checking_an_unknown_service_is_not_found(health: Any) -> None:
    assert (await failure(health.Check(asking("nobody")))).code == StatusCode.NOT_FOUND


async def test_a_token_that_is_not_valid_does_not_keep_health_from_answering(wire: Wire) -> None:
    await wire.call("/grpc.health.v1.Health/Check", b"", (("authorization", "Bearer nonsense"),))


async def test_bytes_that_are_no_health_request_are_refused(wire: Wire) -> None:
    assert (await failure(wire.call("/grpc.health.v1.Health/Check", b"\xff"))).reason == "MALFORMED_REQUEST"


async def test_a_watch_tells_the_state_and_each_change(database_away: asyncio.Event, health: Any) -> None:
    watches = [health.Watch(asking(service)) for service in (*SERVICES, "nobody")]
    assert [await told(watch) for watch in watches] == [SERVING] * len(SERVICES) + [SERVICE_UNKNOWN]
    database_away.set()
    assert [await told(watch) for watch in watches[:-1]] == [NOT_SERVING] * len(SERVICES)
    assert (await health.Check(asking())).status == NOT_SERVING
    database_away.clear()
    assert [await told(watch) for watch in watches[:-1]] == [SERVING] * len(SERVICES)
    for watch in watches:
        watch.cancel()


@pytest.mark.alone
async def test_a_watcher_who_reads_nothing_keeps_no_other_from_the_news_nor_the_server_from_its_end(
    database_away: asyncio.Event, settings: ServerSettings
) -> None:
    async with (
        asyncio.timeout(5),
        app.running_server(settings) as server,
        watching_without_reading(server),
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(asking())
        assert await told(watch) == SERVING
        database_away.set()
        assert await told(watch) == NOT_SERVING


async def test_more_watches_than_the_server_keeps_are_refused_until_one_ends(
    health: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("readstate.rpc.health.MOST_WATCHES", 3)
    watches = [health.Watch(asking()) for _ in range(3)]
    assert [await told(watch) for watch in watches] == [SERVING] * 3
    refused = await failure(health.Watch(asking()).read())
    assert (refused.code, refused.retry_seconds) == (StatusCode.RESOURCE_EXHAUSTED, 1.0)
    assert (await health.Check(asking())).status == SERVING
    watches.pop().cancel()

    async def begins() -> bool:
        watches.append(health.Watch(asking()))
        try:
            return await told(watches[-1]) == SERVING
        except grpc.aio.AioRpcError:
            return False

    await until_answered(begins)
    for watch in watches:
        watch.cancel()


async def test_health_is_logged_only_for_those_who_look_for_faults(
    logged: Callable[[], str], settings: ServerSettings
) -> None:
    async with (
        app.running_server(settings) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        await Wire(channel, settings).call("/grpc.health.v1.Health/Check", b"")
        await failure(Wire(channel, settings).call("SystemEventService/MarkRead", b""))
    levels = {line["method"]: line["level"] for line in map(json.loads, logged().splitlines()) if "method" in line}
    assert levels == {"Health/Check": "debug", "SystemEventService/MarkRead": "info"}


async def told(watch: grpc.aio.UnaryStreamCall[object, health_pb2.HealthCheckResponse]) -> int:
    async with asyncio.timeout(30):
        reply = await watch.read()
    assert isinstance(reply, health_pb2.HealthCheckResponse)
    return reply.status


@asynccontextmanager
async def watching_without_reading(server: RunningServer) -> AsyncIterator[None]:
    """A watch of everything by a client that allows no byte of an answer: an initial window of 0, RFC 9113, 6.9.2."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    settings = frame(0x4, 0, 0, struct.pack(">HI", 0x4, 0))
    # :method POST and :scheme http from the static table, the rest as literals (RFC 7541, 6.2.2).
    headers = b"\x83\x86" + literal(4, "/grpc.health.v1.Health/Watch") + literal(1, "localhost")
    headers += literal("content-type", "application/grpc") + literal("te", "trailers")
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings)
    writer.write(frame(0x1, 0x4, 1, headers) + frame(0x0, 0x1, 1, bytes(5)))
    acknowledged = frame(0x4, 0x1, 0, b"")
    while acknowledged not in (await reader.read(4096)):
        pass
    # The answer to a ping shows that what came before it was taken in; the handler needs a moment more.
    writer.write(acknowledged + frame(0x6, 0, 0, b"watching"))
    while frame(0x6, 0x1, 0, b"watching") not in (await reader.read(4096)):
        pass
    await asyncio.sleep(0.3)
    try:
        yield
    finally:
        writer.close()


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name: int | str, value: str) -> bytes:
    known = bytes([name]) if isinstance(name, int) else b"\0" + bytes([len(name)]) + name.encode()
    return known + bytes([len(value)]) + value.encode()
