"""Spans of requests, and that gateway, server and client are in one trace."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from readstate.config import ServerSettings
from readstate.gateway import app as gateway_app
from readstate.server import app
from tests.collector import Collector, attributes, collecting
from tests.gateway.conftest import PATH, Bearer, settings_for
from tests.gateway.window import Window

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = ({"traceparent": f"00-{TRACE}-{SPAN}-{flags}"} for flags in ("01", "00"))
CANARY = "canary-77aa"


@asynccontextmanager
async def gateway_and_server(
    settings: ServerSettings, collector: Collector, *, gateway: float, server: float
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway, with the ratios that are traced. When it is left, all spans have arrived."""
    endpoint = {"otlp_endpoint": collector.endpoint}
    async with (
        app.running_server(settings.model_copy(update=endpoint | {"trace_ratio": server})) as running,
        gateway_app.running_gateway(settings_for(running.port, **endpoint, trace_ratio=gateway)) as (port, _),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False) as rest,
    ):
        yield rest


async def test_a_request_is_one_trace_from_its_caller_to_the_server(
    settings: ServerSettings, demo_data: None, bearer: Bearer
) -> None:
    async with collecting() as collector:
        async with gateway_and_server(settings, collector, gateway=0, server=0) as rest:
            headers = bearer("ada") | SAMPLED
            assert (await rest.post(f"{PATH}?q={CANARY}", json={"id": 1}, headers=headers)).status_code == 200
        (request,), (call,) = collector.spans("readstate-gateway"), collector.spans("readstate")
    assert (request.name, request.kind) == (f"POST {PATH}", Span.SPAN_KIND_SERVER)
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, SPAN)
    assert (call.trace_id, call.parent_span_id) == (request.trace_id, request.span_id)
    assert attributes(request) == {
        "http.request.method": "POST",
        "http.route": PATH,
        "http.response.status_code": 200,
        "url.path": PATH,
        "url.scheme": "http",
    }
    assert CANARY not in str(request)


async def test_the_gateway_decides_for_the_server(settings: ServerSettings, demo_data: None, bearer: Bearer) -> None:
    async with collecting() as collector:
        async with gateway_and_server(settings, collector, gateway=1, server=0) as rest:
            await rest.post(PATH, json={"id": 1}, headers=bearer("ada"))
        (request,), (call,) = collector.spans("readstate-gateway"), collector.spans("readstate")
        assert (call.trace_id, call.parent_span_id) == (request.trace_id, request.span_id)
        collector.requests.clear()
        async with gateway_and_server(settings, collector, gateway=0, server=1) as rest:
            await rest.post(PATH, json={"id": 1}, headers=bearer("ada"))
        assert not collector.spans("readstate-gateway")
        assert not [span for span in collector.spans("readstate") if "MarkRead" in span.name]


async def test_a_caller_that_does_not_record_its_trace_is_not_traced(
    settings: ServerSettings, demo_data: None, bearer: Bearer
) -> None:
    async with collecting() as collector:
        async with gateway_and_server(settings, collector, gateway=1, server=1) as rest:
            await rest.post(PATH, json={"id": 1}, headers=bearer("ada") | UNSAMPLED)
        assert not [span for span in collector.spans("readstate") if "MarkRead" in span.name]
        assert not collector.spans("readstate-gateway")


@pytest.mark.parametrize(
    ("method", "path", "name", "status"),
    [
        ("POST", PATH, f"POST {PATH}", 401),
        ("GET", "/nothing/at/all", "GET", 404),
        ("PROPFIND", PATH, f"PROPFIND {PATH}", 405),
        ("GET", "/v1/system-events/7/readers", "GET /v1/system-events/{id}/readers", 401),
    ],
)
async def test_a_span_is_named_by_its_route_and_a_refusal_is_no_fault(
    settings: ServerSettings, method: str, path: str, name: str, status: int
) -> None:
    async with collecting() as collector:
        async with gateway_and_server(settings, collector, gateway=0, server=0) as rest:
            assert (await rest.request(method, path, headers=SAMPLED)).status_code == status
        (request,) = collector.spans("readstate-gateway")
    assert request.name == name
    assert attributes(request)["http.response.status_code"] == status
    assert request.status.code == Status.STATUS_CODE_UNSET


async def test_a_server_that_is_away_is_a_fault() -> None:
    async with collecting() as collector:
        away = settings_for("127.0.0.1:1", otlp_endpoint=collector.endpoint)
        async with (
            gateway_app.running_gateway(away) as (port, _),
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False) as rest,
        ):
            await rest.post(PATH, json={"id": 1}, headers=SAMPLED)
        (request,) = collector.spans("readstate-gateway")
    assert (request.status.code, request.status.message) == (Status.STATUS_CODE_ERROR, "503")


async def test_a_stream_by_ticket_is_in_the_trace_and_the_ticket_is_not(
    settings: ServerSettings, demo_data: None, bearer: Bearer
) -> None:
    async with collecting() as collector:
        async with gateway_and_server(settings, collector, gateway=1, server=0) as rest:
            ticket = (await rest.post("/v1/unread/ticket", headers=bearer("ada"))).json()["ticket"]
            async with Window(str(rest.base_url), ticket=ticket) as window:
                await window.state()
        stream = next(span for span in collector.spans("readstate-gateway") if span.name == "GET /v1/unread/stream")
        watch = next(span for span in collector.spans("readstate") if span.name.endswith("/WatchUnread"))
    assert (watch.trace_id, watch.parent_span_id) == (stream.trace_id, stream.span_id)
    assert ticket not in str(collector.requests)
