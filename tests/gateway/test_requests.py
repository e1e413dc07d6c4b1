"""What goes on to the server of a request, what comes back, and what is written down."""

import asyncio
import json
import logging
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from io import StringIO

import grpc
import pytest
import structlog
from httpx import AsyncClient

from readstate.gateway import app as gateway_app
from readstate.http.limits import Limits
from readstate.server.app import RunningServer
from readstate.telemetry import logs
from readstate.v1.system_events_pb2 import MarkReadRequest, MarkReadResponse
from tests.gateway.conftest import PATH, Bearer, Gateway, settings_for
from tests.gateway.wire import Wire, chunked, head

CANARY = "canary-51c2"


# ── On to the server ─────────────────────────────────────────────────────────────────────────────────────────────────


class Echo:
    """A server that remembers what it was asked."""

    def __init__(self) -> None:
        self.metadata: list[tuple[str, str | bytes]] = []
        self.seconds = 0.0
        self.event_ids: list[int] = []

    async def mark(
        self, request: MarkReadRequest, context: "grpc.aio.ServicerContext[bytes, bytes]"
    ) -> MarkReadResponse:
        self.metadata = list(context.invocation_metadata() or ())
        self.seconds = context.time_remaining()
        self.event_ids = list(request.event_ids)
        return MarkReadResponse()


@asynccontextmanager
async def echo() -> AsyncIterator[tuple[Echo, Gateway]]:
    echo, server = Echo(), grpc.aio.server(options=[("grpc.max_metadata_size", 32 << 10)])
    handler = grpc.unary_unary_rpc_method_handler(
        echo.mark,
        request_deserializer=MarkReadRequest.FromString,
        response_serializer=MarkReadResponse.SerializeToString,
    )
    name = "readstate.v1.SystemEventService"
    handlers = {"MarkRead": handler, "MarkUnread": handler}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with gateway_app.running_gateway(settings_for(port)) as ports:
            yield echo, Gateway(*ports)
    finally:
        await server.stop(0)


async def test_only_the_token_and_the_request_id_go_on_to_the_server() -> None:
    theirs = {
        "authorization": "Bearer abc",
        "x-request-id": "r-1",
        "x-user-id": "root",
        "x-forwarded-user": "root",
        "x-org-id": "acme",
        "cookie": "a=b",
        "grpc-timeout": "1n",
        "te": "trailers",
        "x-bin": "1",
        "grpc-tags-bin": "AAAA",
        "user-agent": CANARY,
    }
    async with echo() as (server, gateway), AsyncClient(base_url=gateway.url, headers=theirs) as rest:
        assert (await rest.post(PATH, json={"ids": [3, 1, 3]})).status_code == 200
        assert server.event_ids == [3, 1, 3]
        sent = [(key, value) for key, value in server.metadata if key != "user-agent"]
        assert sent == [("authorization", "Bearer abc"), ("x-request-id", "r-1")]
        assert CANARY not in str(server.metadata)


TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACE = f"00-{TRACE_ID}-b7ad6b7169203331-01"


async def test_the_trace_of_the_caller_goes_on_to_the_server() -> None:
    async with echo() as (server, gateway), AsyncClient(base_url=gateway.url) as rest:
        theirs = {"traceparent": TRACE, "tracestate": "congo=t61rcWkgMzE"}
        assert (await rest.post(PATH, json={"id": 1}, headers=theirs)).status_code == 200
        assert theirs.items() <= dict(server.metadata).items()


@pytest.mark.parametrize("given", ["", "x", f"{TRACE} x", TRACE.upper(), f"ff{TRACE[2:]}", "é", "0" * 9000])
async def test_what_is_no_trace_stays_here(given: str) -> None:
    async with echo() as (server, gateway), AsyncClient(base_url=gateway.url) as rest:
        headers = [(b"traceparent", given.encode("latin-1")), (b"tracestate", b"a=b")]
        assert (await rest.post(PATH, json={"id": 1}, headers=headers)).status_code == 200
        assert not {"traceparent", "tracestate"} & dict(server.metadata).keys()


async def test_a_slash_at_the_end_of_the_path_changes_nothing(as_ada: AsyncClient) -> None:
    for verb in ("POST", "DELETE"):
        assert (await as_ada.request(verb, f"{PATH}/", json={"id": 1})).json() == {"success": True}
    assert (await as_ada.get(f"{PATH}/")).status_code == 405


async def test_without_an_authorization_none_is_sent() -> None:
    async with echo() as (server, gateway), AsyncClient(base_url=gateway.url) as rest:
        await rest.post(PATH, json={"id": 1})
        assert "authorization" not in dict(server.metadata)


async def test_the_server_has_six_seconds_so_that_its_own_answer_comes_first() -> None:
    async with echo() as (server, gateway), AsyncClient(base_url=gateway.url) as rest:
        await rest.post(PATH, json={"id": 1})
        assert 5 < server.seconds < 6.5


async def test_the_longest_authorization_is_sent_on_and_a_longer_one_is_not() -> None:
    async with echo() as (server, gateway), AsyncClient(base_url=gateway.url) as rest:
        longest = "x" * 8192
        assert (await rest.post(PATH, json={"id": 1}, headers={"authorization": longest})).status_code == 200
        assert dict(server.metadata)["authorization"] == longest
        assert (await rest.post(PATH, json={"id": 1}, headers={"authorization": longest + "x"})).status_code == 401


# ── Request ids ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("given", ["r", "5f0c7a52-checkout", "!~", "x" * 128])
async def test_a_request_id_is_kept(rest: AsyncClient, given: str) -> None:
    for path in (PATH, "/openapi.yaml", "/nowhere"):
        assert (await rest.get(path, headers={"x-request-id": given})).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "\x7f", "é", "\t"])
async def test_a_request_id_that_is_none_is_replaced(gateway: Gateway, given: str) -> None:
    async with Wire(gateway.port) as wire:
        made = [(await wire.send(head("GET", PATH, [("x-request-id", given.encode("latin-1"))]))) for _ in range(2)]
    ids = {reply.headers["x-request-id"] for reply in made if reply.status == 405}
    assert given not in ids
    assert all(len(made) == 32 for made in ids)
    assert len(ids) == (0 if given == "\x7f" else 2)  # which is no character of a header


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[dict[str, object]]]]:
    """The lines of the log, as the commands write it."""
    stream = StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    root, configured = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    logs.configure_logging("info", "json")
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.configure(**configured)
    root.handlers[:] = handlers
    root.setLevel(level)


async def test_the_ids_of_request_and_trace_are_in_both_logs_and_the_token_and_the_body_in_none(
    logged: Callable[[], list[dict[str, object]]], as_ada: AsyncClient
) -> None:
    response = await as_ada.post(
        PATH, json={"id": 1, "x": CANARY}, headers={"x-request-id": "r-77", "traceparent": TRACE}
    )
    assert response.status_code == 200
    lines = [line for line in logged() if line.get("request_id") == "r-77"]
    assert {(line["event"], line["trace_id"]) for line in lines} == {("call", TRACE_ID), ("request", TRACE_ID)}
    (line,) = (line for line in lines if line["event"] == "request")
    assert line.items() >= {"method": "POST", "path": PATH, "status": 200}.items()
    text = json.dumps(logged())
    assert CANARY not in text
    assert as_ada.headers["authorization"].split()[1] not in text


async def test_lines_of_successes_are_left_out_and_those_of_failures_never(
    logged: Callable[[], list[dict[str, object]]], server: RunningServer, demo_data: None, bearer: Bearer
) -> None:
    async with (
        gateway_app.running_gateway(settings_for(server.port, log_successes=0)) as (port, _),
        AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=bearer("ada"), trust_env=False) as rest,
    ):
        assert [(await rest.post(path, json={"id": 1})).status_code for path in (PATH, "/nothing")] == [200, 404]
    assert [line["status"] for line in logged() if line["event"] == "request"] == [404]


async def test_what_a_client_writes_cannot_break_a_line_of_the_log(
    logged: Callable[[], list[dict[str, object]]], gateway: Gateway
) -> None:
    async with Wire(gateway.port) as wire:
        await wire.send(head("GET", "/%0a%1b%00x" + "y" * 1000))
    (line,) = (line for line in logged() if line["event"] == "request" and "xyy" in str(line["path"]))
    assert line["path"] == "/x" + "y" * 251


# ── HTTP ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_chunked_body_is_read(gateway: Gateway, demo_data: None, bearer: Bearer) -> None:
    headers = [*bearer("ada").items(), ("transfer-encoding", "chunked")]
    async with Wire(gateway.port) as wire:
        for size in (1, 3, 100):
            reply = await wire.send(head("DELETE", PATH, headers), chunked(b'{"ids":[1, 2]}', size))
            assert (reply.status, reply.body) == (200, b'{"success":true}')


async def test_the_body_of_a_request_that_would_rather_speak_http2_is_read(
    gateway: Gateway, demo_data: None, bearer: Bearer
) -> None:
    # As Java's HttpClient sends it by default, and curl --http2.
    upgrade = [
        ("connection", "Upgrade, HTTP2-Settings"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAAQAoAAAAAIAAAAA"),
    ]
    request = head("POST", PATH, [*bearer("ada").items(), *upgrade, ("content-length", "8")])
    async with Wire(gateway.port) as wire:
        assert (await wire.send(request + b'{"id":1}')).status == 200
        assert (await wire.send(request, b'{"id"', b":1}")).status == 200


async def test_a_connection_serves_many_requests_and_queued_ones_in_order(gateway: Gateway) -> None:
    async with Wire(gateway.port) as wire:
        reply = await wire.send(b"".join(head("GET", PATH, [("x-request-id", str(i))]) for i in range(20)))
        ids = [reply.headers["x-request-id"]]
        ids += [(await wire.send()).headers["x-request-id"] for _ in range(19)]
    assert ids == [str(i) for i in range(20)]


@pytest.mark.parametrize(
    "request_",
    [b"\x16\x03\x01\x02\x00\x01", b"x\r\n\r\n", head("GET", "/\xff"), head("POST", PATH, [("content-length", "-1")])],
)
async def test_what_is_not_http_is_a_bad_request(gateway: Gateway, request_: bytes) -> None:
    async with Wire(gateway.port) as wire:
        reply = await wire.send(request_)
    assert (reply.status, reply.body) == (400, b'{"error":"Invalid HTTP request received."}')
    assert reply.headers["content-type"] == "application/json"


async def test_headers_without_end_are_refused(gateway: Gateway) -> None:
    async with Wire(gateway.port) as wire:
        await wire.send(head("GET", PATH))
        parts = [b"GET / HTTP/1.1\r\nhost: x\r\nx: ", b"y" * 1024]
        reader, writer = wire._streams or pytest.fail("closed")
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.01)
        writer.write(b"y" * (Limits().framing_bytes - 1024))
        async with asyncio.timeout(30):
            assert (await reader.read()).startswith(b"HTTP/1.1 431 ")


async def test_clients_that_leave_break_nothing(gateway: Gateway, as_ada: AsyncClient) -> None:
    for part in (b"POST", head("POST", PATH, [("content-length", "9")]), head("POST", PATH, [("content-length", "0")])):
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", gateway.port)) as sock:
                sock.send(part)
    assert (await as_ada.post(PATH, json={"id": 1})).status_code == 200
