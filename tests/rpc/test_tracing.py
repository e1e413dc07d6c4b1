"""Spans of calls, as a collector gets them."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from readstate.config import ServerSettings
from readstate.errors import StartupError
from readstate.server import app
from readstate.v1.directory_pb2 import UpsertMembersRequest
from readstate.v1.system_events_pb2 import MarkReadRequest
from tests.collector import Collector, attributes, collecting
from tests.rpc.wire import Wire, failure

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = ((("traceparent", f"00-{TRACE}-{SPAN}-{flags}"),) for flags in ("01", "00"))

MARK_READ, UPSERT = "SystemEventService/MarkRead", "DirectoryService/UpsertMembers"
ONE = MarkReadRequest(event_ids=[1])
ADA = UpsertMembersRequest(members=[{"user_id": "ada", "org_id": "acme"}])


@asynccontextmanager
async def serving(settings: ServerSettings, collector: Collector, ratio: float) -> AsyncIterator[Wire]:
    """When it is left, all spans have arrived."""
    traced = settings.model_copy(update={"otlp_endpoint": collector.endpoint, "trace_ratio": ratio})
    async with (
        app.running_server(traced) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        yield Wire(channel, settings)


async def test_a_call_makes_a_span_below_its_callers_and_is_logged_with_its_trace(
    logged: Callable[[], str], settings: ServerSettings
) -> None:
    async with collecting() as collector:
        async with serving(settings, collector, 0) as wire:
            bearer = wire.bearer("service", scope="directory:write")
            await wire.call(UPSERT, ADA, (*bearer, *SAMPLED, ("tracestate", "congo=t61")))
        (span,) = collector.spans("readstate")
    assert span.name == "readstate.v1.DirectoryService/UpsertMembers"
    assert span.kind == Span.SPAN_KIND_SERVER
    assert (span.trace_id.hex(), span.parent_span_id.hex(), span.trace_state) == (TRACE, SPAN, "congo=t61")
    assert attributes(span) == {
        "rpc.system": "grpc",
        "rpc.service": "readstate.v1.DirectoryService",
        "rpc.method": "UpsertMembers",
        "rpc.grpc.status_code": 0,
    }
    assert span.status.code == Status.STATUS_CODE_UNSET
    (line,) = [line for line in map(json.loads, logged().splitlines()) if line["event"] == "call"]
    assert line["trace_id"] == TRACE


async def test_a_call_outside_of_a_trace_begins_one_which_its_line_names(
    logged: Callable[[], str], settings: ServerSettings
) -> None:
    async with collecting() as collector:
        async with serving(settings, collector, 1) as wire:
            await wire.call(UPSERT, ADA, wire.bearer("service", scope="directory:write"))
        (span,) = collector.spans("readstate")
    assert not span.parent_span_id
    (line,) = [line for line in map(json.loads, logged().splitlines()) if line["event"] == "call"]
    assert line["trace_id"] == span.trace_id.hex()


async def test_a_failed_call_says_its_code_and_not_its_message(settings: ServerSettings) -> None:
    async with collecting() as collector:
        async with serving(settings, collector, 0) as wire:
            await failure(wire.call(MARK_READ, ONE, (*wire.bearer("nobody"), *SAMPLED)))
        (span,) = collector.spans("readstate")
    assert (span.status.code, span.status.message) == (Status.STATUS_CODE_ERROR, "UNAUTHENTICATED")
    assert attributes(span)["rpc.grpc.status_code"] == grpc.StatusCode.UNAUTHENTICATED.value[0]
    assert not span.events


async def test_a_method_that_does_not_exist_gives_a_span_no_name(settings: ServerSettings) -> None:
    async with collecting() as collector:
        async with serving(settings, collector, 0) as wire:
            await failure(wire.call("/canary.Canary/Canary", ONE, SAMPLED))
        (span,) = collector.spans("readstate")
    assert span.name == "unknown"
    assert "canary" not in str(span).lower()


async def test_a_caller_that_does_not_record_its_trace_is_not_traced(settings: ServerSettings) -> None:
    async with collecting() as collector:
        async with serving(settings, collector, 1) as wire:
            await failure(wire.call(MARK_READ, ONE, UNSAMPLED))
        assert not collector.requests


async def test_of_calls_outside_of_a_trace_a_part_is_traced(settings: ServerSettings) -> None:
    async with collecting() as collector:
        async with serving(settings, collector, 0.25) as wire:
            await asyncio.gather(*(failure(wire.call(MARK_READ, ONE)) for _ in range(400)))
        assert 50 < len(collector.spans("readstate")) < 150


async def test_a_collector_that_is_away_fails_no_call_and_does_not_hold_up_the_end(settings: ServerSettings) -> None:
    async with collecting() as collector:
        pass
    async with asyncio.timeout(15):
        async with serving(settings, collector, 1) as wire:
            await wire.call(UPSERT, ADA, wire.bearer("service", scope="directory:write"))


async def test_without_opentelemetry_the_setting_is_refused(
    settings: ServerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "readstate.telemetry.spans", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    traced = settings.model_copy(update={"otlp_endpoint": "http://127.0.0.1:4317"})
    with pytest.raises(StartupError, match=r"READSTATE_OTLP_ENDPOINT needs pip install 'readstate\[otel\]'"):
        async with app.running_server(traced):
            pass
