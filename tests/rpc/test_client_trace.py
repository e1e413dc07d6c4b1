"""The caller's trace goes with each call of the client."""

from typing import Any

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from readstate.client import ReadState
from readstate.v1 import system_events_pb2 as pb


async def called() -> dict[str, str | bytes]:
    """The metadata that a server gets of a call."""
    arrived: dict[str, str | bytes] = {}

    async def count(_: bytes, context: Any) -> bytes:
        arrived.update(context.invocation_metadata())
        return pb.GetUnreadCountResponse().SerializeToString()

    server = grpc.aio.server()
    handlers: dict[str, Any] = {"GetUnreadCount": grpc.unary_unary_rpc_method_handler(count)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("readstate.v1.SystemEventService", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with ReadState(f"127.0.0.1:{port}", token="t") as client:
        await client.unread_count()
    await server.stop(None)
    return arrived


async def test_a_call_says_of_which_span_it_is_a_part() -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("tests")
    with tracer.start_as_current_span("work") as span:
        arrived = await called()
    context = span.get_span_context()
    assert str(arrived["traceparent"]).startswith(f"00-{context.trace_id:032x}-{context.span_id:016x}-")


async def test_a_call_outside_of_a_trace_says_nothing() -> None:
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert "traceparent" not in await called()


async def test_a_program_without_opentelemetry_calls_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("readstate.client.transport._PROPAGATOR", None)
    assert "traceparent" not in await called()
