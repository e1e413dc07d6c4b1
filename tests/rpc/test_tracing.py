"""Spans of calls."""

from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from readstate.errors import NoOrganization
from readstate.rpc.access import MEMBER
from readstate.rpc.call import Call, Method
from readstate.rpc.interceptors.tracing import traced

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


def call(*metadata: tuple[str, str]) -> Call:
    context: Any = SimpleNamespace(invocation_metadata=lambda: metadata)
    return Call.arriving(Method("/readstate.v1.SystemEventService/MarkRead", MEMBER, streaming=False), context)


async def test_a_call_makes_a_span_below_its_callers() -> None:
    exporter = InMemorySpanExporter()

    async def succeed(request: Any, _: Call) -> Any:
        return request

    with traced(exporter) as interceptor:
        assert await interceptor(succeed, b"request", call(("traceparent", f"00-{TRACE}-{SPAN}-01"))) == b"request"
    (span,) = exporter.get_finished_spans()
    assert span.name == "readstate.v1.SystemEventService/MarkRead"
    assert span.kind is SpanKind.SERVER
    assert span.parent is not None
    assert (f"{span.parent.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, SPAN)
    assert span.attributes is not None
    assert span.attributes["rpc.grpc.status_code"] == 0


async def test_a_failed_call_says_its_code_and_not_its_message() -> None:
    exporter = InMemorySpanExporter()

    async def fail(_: Any, __: Call) -> Any:
        raise NoOrganization

    with traced(exporter) as interceptor, pytest.raises(NoOrganization):
        await interceptor(fail, b"", call())
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == "PERMISSION_DENIED"
    assert not span.events
