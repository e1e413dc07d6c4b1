"""Every answer of the contract, to the byte, and the order in which a call is judged."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import grpc
import httpx
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode
from httpx import AsyncClient

from readstate.config import ServerSettings
from readstate.gateway import app as gateway_app
from readstate.server import app
from tests.gateway.conftest import PATH, Bearer, Gateway, settings_for
from tests.gateway.wire import Wire, head
from tests.waiting import until

SUCCESS = (200, b'{"success":true}')
NO_IDS = (400, b'{"error":"Missing or invalid id or ids"}')
TOO_MANY_IDS = (400, b'{"error":"Too many ids: at most 10000"}')
UNAUTHORIZED = (401, b'{"error":"Unauthorized"}')
NO_ORGANIZATION = (403, b'{"error":"User not associated with an organization"}')
TOO_LARGE = (413, b'{"error":"Request body too large"}')
ENCODED = (415, b'{"error":"Unsupported content encoding"}')

LARGEST_BODY = 256 * 1024
SERVERS_OWN_LIMIT = 5
"""Seconds after which the server itself ends a call."""

both_verbs = pytest.mark.parametrize("verb", ["POST", "DELETE"])


def told(response: httpx.Response) -> tuple[int, bytes]:
    """Status and body of an answer in JSON, as every answer is."""
    assert response.headers["content-type"] == "application/json"
    return response.status_code, response.content


# ── The contract ─────────────────────────────────────────────────────────────────────────────────────────────────────


@both_verbs
@pytest.mark.parametrize("body", [{"id": 1}, {"ids": [1, 2, 3]}, {"id": 1, "ids": [2]}, {"id": 999_999}])
async def test_a_call_with_an_id_succeeds(as_ada: AsyncClient, verb: str, body: object) -> None:
    for _ in range(2):
        assert told(await as_ada.request(verb, PATH, json=body)) == SUCCESS


@both_verbs
@pytest.mark.parametrize(
    "body", [b"", b"{}", b"null", b"[1]", b"1", b'"1"', b'{"ids":[]}', b'{"id":0}', b'{"id":-1}', b"{", b"\xff"]
)
async def test_a_call_without_a_valid_id_is_a_bad_request(as_ada: AsyncClient, verb: str, body: bytes) -> None:
    assert told(await as_ada.request(verb, PATH, content=body)) == NO_IDS


@both_verbs
async def test_ten_thousand_ids_are_the_most(as_ada: AsyncClient, verb: str) -> None:
    assert told(await as_ada.request(verb, PATH, json={"ids": [1] * 10_000})) == SUCCESS
    assert told(await as_ada.request(verb, PATH, json={"ids": [1] * 10_000 + [0]})) == SUCCESS
    assert told(await as_ada.request(verb, PATH, json={"ids": [1] * 10_001})) == TOO_MANY_IDS
    assert told(await as_ada.request(verb, PATH, json={"id": 2, "ids": [1] * 10_000})) == TOO_MANY_IDS
    assert told(await as_ada.request(verb, PATH, content=b'{"ids":[%b1]}' % (b"1," * 131_000))) == TOO_MANY_IDS


@both_verbs
@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer x", "Basic YTpi", "Bearer a.b.c", "Bearer " + "x" * 8192, "x" * 60_000],
)
async def test_a_call_without_a_valid_token_is_unauthorized(
    rest: AsyncClient, verb: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    response = await rest.request(verb, PATH, json={"id": 1}, headers=headers)
    assert told(response) == UNAUTHORIZED
    assert response.headers["www-authenticate"] == "Bearer"


@both_verbs
@pytest.mark.parametrize("user", [("stranger", 60), ("ada", -60)], ids=["unknown", "expired"])
async def test_a_token_that_is_out_of_date_or_of_nobody_is_unauthorized(
    rest: AsyncClient, demo_data: None, bearer: Bearer, verb: str, user: tuple[str, int]
) -> None:
    headers = bearer(user[0], expires_in=user[1])
    assert told(await rest.request(verb, PATH, json={"id": 1}, headers=headers)) == UNAUTHORIZED


@both_verbs
@pytest.mark.parametrize(
    "values", [(b"\xc3\xa9",), (b"Bearer \x01",), (b"a\tb",), (b"Bearer a", b"Bearer b"), (b"", b"")]
)
async def test_an_authorization_that_cannot_be_sent_on_is_unauthorized(
    gateway: Gateway, verb: str, values: tuple[bytes, ...]
) -> None:
    async with Wire(gateway.port) as wire:
        reply = await wire.send(head(verb, PATH, [("authorization", value) for value in values]))
    assert (reply.status, reply.body) in (UNAUTHORIZED, (400, b'{"error":"Invalid HTTP request received."}'))
    assert reply.status == 401 or b"\x01" in values[0]


async def test_a_valid_token_that_is_repeated_is_unauthorized(
    gateway: Gateway, demo_data: None, bearer: Bearer
) -> None:
    (header,) = bearer("ada").items()
    async with Wire(gateway.port) as wire:
        body = b'{"id": 1}'
        reply = await wire.send(head("POST", PATH, [header, header, ("content-length", str(len(body)))]) + body)
        assert (reply.status, reply.body) == UNAUTHORIZED
        reply = await wire.send(head("POST", PATH, [header, ("content-length", str(len(body)))]) + body)
        assert (reply.status, reply.body) == SUCCESS


async def test_a_user_without_an_organisation_may_not_mark_as_read(
    rest: AsyncClient, demo_data: None, bearer: Bearer
) -> None:
    assert told(await rest.post(PATH, json={"id": 1}, headers=bearer("carol"))) == NO_ORGANIZATION


async def test_a_user_without_an_organisation_has_nothing_to_mark_as_unread(
    rest: AsyncClient, demo_data: None, bearer: Bearer
) -> None:
    assert told(await rest.request("DELETE", PATH, json={"id": 1}, headers=bearer("carol"))) == SUCCESS
    assert told(await rest.request("DELETE", PATH, json={"id": 0}, headers=bearer("carol"))) == NO_IDS


@pytest.mark.parametrize("body", [b"", b"not json", b'{"ids":[%b1]}' % (b"1," * 10_000)], ids=["none", "bad", "many"])
async def test_the_order_is_401_then_403_then_400(
    rest: AsyncClient, demo_data: None, bearer: Bearer, body: bytes
) -> None:
    assert told(await rest.post(PATH, content=body)) == UNAUTHORIZED
    assert told(await rest.post(PATH, content=body, headers=bearer("stranger"))) == UNAUTHORIZED
    assert told(await rest.post(PATH, content=body, headers=bearer("carol"))) == NO_ORGANIZATION
    assert told(await rest.post(PATH, content=body, headers=bearer("ada"))) in (NO_IDS, TOO_MANY_IDS)


# ── Beside the contract ──────────────────────────────────────────────────────────────────────────────────────────────


@both_verbs
async def test_a_body_over_256_kib_is_too_large_before_anything_else(rest: AsyncClient, verb: str) -> None:
    assert told(await rest.request(verb, PATH, content=b" " * LARGEST_BODY)) == UNAUTHORIZED
    assert told(await rest.request(verb, PATH, content=b" " * (LARGEST_BODY + 1))) == TOO_LARGE
    assert told(await rest.request("PUT", "/nowhere", content=b" " * (LARGEST_BODY + 1))) == TOO_LARGE


@both_verbs
@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "identity, gzip", "x"])
async def test_a_compressed_body_is_refused_before_anything_else(rest: AsyncClient, verb: str, encoding: str) -> None:
    for content in (gzip.compress(b'{"id":1}'), b"x" * LARGEST_BODY, b""):
        response = await rest.request(verb, PATH, content=content, headers={"content-encoding": encoding})
        assert told(response) == ENCODED
        assert response.headers["accept-encoding"] == "identity"
    assert told(await rest.request(verb, PATH, headers={"content-encoding": "Identity"})) == UNAUTHORIZED
    assert told(await rest.request(verb, PATH, headers={"content-encoding": ""})) == UNAUTHORIZED


async def test_a_compressed_body_is_refused_before_it_is_sent(gateway: Gateway) -> None:
    headers = [("expect", "100-continue"), ("content-encoding", "gzip"), ("content-length", "8")]
    async with Wire(gateway.port) as wire:
        reply = await wire.send(head("POST", PATH, headers))
    assert (reply.status, reply.body, reply.headers["connection"]) == (*ENCODED, "close")


@pytest.mark.parametrize("path", ["/", "/systemevents", "/systemevent/READ", "/livez", "/metrics", "/readyz"])
async def test_another_path_is_not_found(rest: AsyncClient, path: str) -> None:
    for verb in ("GET", "POST", "OPTIONS"):
        assert told(await rest.request(verb, path)) == (404, b'{"error":"Not found"}')


@pytest.mark.parametrize("verb", ["GET", "PUT", "PATCH", "TRACE", "PROPFIND"])
async def test_another_method_is_not_allowed(as_ada: AsyncClient, verb: str) -> None:
    response = await as_ada.request(verb, PATH, content=b'{"id":1}')
    assert told(response) == (405, b'{"error":"Method not allowed"}')
    assert response.headers["allow"] == "POST, DELETE, OPTIONS"


async def test_head_is_answered_without_a_body(rest: AsyncClient) -> None:
    response = await rest.head(PATH)
    assert (response.status_code, response.content) == (405, b"")
    response = await rest.head("/openapi.yaml")
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"] == "application/yaml"


async def test_options_names_the_methods(rest: AsyncClient) -> None:
    response = await rest.options(PATH)
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["allow"] == "POST, DELETE, OPTIONS"
    assert (await rest.options("/openapi.yaml")).headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/xml"])
async def test_the_body_is_read_as_json_whatever_its_type_says(as_ada: AsyncClient, content_type: str | None) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    assert told(await as_ada.post(PATH, content=b'{"id":1}', headers=headers)) == SUCCESS


async def test_one_call_too_many_is_told_when_to_come_back(
    settings: ServerSettings, demo_data: None, bearer: Bearer
) -> None:
    settings = settings.model_copy(update={"max_in_flight": 1})
    async with (
        app.running_server(settings) as server,
        gateway_app.running_gateway(settings_for(server.port)) as (port, _),
        AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=bearer("ada"), timeout=10) as rest,
        _locked(settings.database_url.get_secret_value()),
    ):
        first = asyncio.create_task(rest.post(PATH, json={"id": 1}))
        await until(lambda: server.metrics.registry.get_sample_value("readstate_calls_in_flight") == 1)
        response = await rest.post(PATH, json={"id": 1})
        assert told(response) == (429, b'{"error":"Too many requests"}')
        assert response.headers["retry-after"] == "1"
        assert (await first).status_code in (503, 504)


@asynccontextmanager
async def _locked(url: str) -> AsyncIterator[None]:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE read_mark")
            yield
    finally:
        await connection.close()


async def test_a_client_that_leaves_takes_its_call_with_it(
    settings: ServerSettings, demo_data: None, bearer: Bearer
) -> None:
    body = b'{"id":1}'
    request = head("POST", PATH, [*bearer("ada").items(), ("content-length", str(len(body)))]) + body
    async with (
        app.running_server(settings) as server,
        gateway_app.running_gateway(settings_for(server.port)) as (port, admin_port),
        AsyncClient(base_url=f"http://127.0.0.1:{admin_port}") as admin,
        _locked(settings.database_url.get_secret_value()),
    ):

        async def in_flight(calls: int) -> None:
            await until(
                lambda: server.metrics.registry.get_sample_value("readstate_calls_in_flight") == calls,
                within=SERVERS_OWN_LIMIT - 2,
            )

        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        await in_flight(1)
        writer.close()
        await in_flight(0)
        metrics = (await admin.get("/metrics")).text
    assert f'readstate_gateway_requests_total{{method="POST",route="{PATH}",status="499"}} 1.0' in metrics


# ── What the server may answer ───────────────────────────────────────────────────────────────────────────────────────


def status(
    code: StatusCode, message: str, retry_after: float = 0, domain: str = "readstate", reason: str = "REASON"
) -> status_pb2.Status:
    found = status_pb2.Status(code=code.value[0], message=message)
    found.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain=domain))
    if retry_after:
        delay = Duration()
        delay.FromMilliseconds(round(retry_after * 1000))
        found.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return found


class Answer:
    """What the server answers to every call, and a client of a gateway in front of it."""

    def __init__(self) -> None:
        self.rest: AsyncClient
        self._with: tuple[StatusCode, str, bytes | None] = (StatusCode.OK, "", None)

    async def serve(self, _: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        code, message, details = self._with
        await context.abort(code, message, () if details is None else (("grpc-status-details-bin", details),))

    async def told(self, code: StatusCode, message: str, details: bytes | None) -> httpx.Response:
        """What the client is told of this."""
        self._with = code, message, details
        return await self.rest.post(PATH, json={"id": 1})


class EveryMethod(grpc.GenericRpcHandler):
    def __init__(self, answer: Answer) -> None:
        self._handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(answer.serve)

    def service(self, _: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        return self._handler


@pytest.fixture(scope="module")
async def answer() -> AsyncIterator[Answer]:
    answer = Answer()
    server = grpc.aio.server(handlers=[EveryMethod(answer)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with (
        gateway_app.running_gateway(settings_for(port)) as (gateway_port, _),
        AsyncClient(base_url=f"http://127.0.0.1:{gateway_port}") as answer.rest,
    ):
        yield answer
    await server.stop(0)


@pytest.mark.parametrize("code", [code for code in StatusCode if code is not StatusCode.OK], ids=lambda code: code.name)
async def test_every_code_of_grpc_has_a_status(answer: Answer, code: StatusCode) -> None:
    statuses = {
        StatusCode.INVALID_ARGUMENT: (400, "Bad request"),
        StatusCode.UNAUTHENTICATED: (401, "Unauthorized"),
        StatusCode.PERMISSION_DENIED: (403, "Forbidden"),
        StatusCode.NOT_FOUND: (404, "Not found"),
        StatusCode.ABORTED: (409, "Conflict"),
        StatusCode.RESOURCE_EXHAUSTED: (429, "Too many requests"),
        StatusCode.CANCELLED: (503, "Service unavailable"),
        StatusCode.UNAVAILABLE: (503, "Service unavailable"),
        StatusCode.DEADLINE_EXCEEDED: (504, "Gateway timeout"),
    }
    number, message = statuses.get(code, (500, "Internal server error"))
    response = await answer.told(code, "canary: a matter of the inside", None)
    assert told(response) == (number, b'{"error":"%b"}' % message.encode())
    assert "canary" not in str(response.headers)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (status(StatusCode.PERMISSION_DENIED, "the token lacks the scope x"), (403, "the token lacks the scope x")),
        (status(StatusCode.INVALID_ARGUMENT, 'é " < bad'), (400, 'é \\" < bad')),
        (status(StatusCode.INVALID_ARGUMENT, "canary", domain="proxy"), (400, "Bad request")),
        (status(StatusCode.INVALID_ARGUMENT, ""), (400, "Bad request")),
        (status(StatusCode.INTERNAL, "canary"), (500, "Internal server error")),
        (status(StatusCode.UNAUTHENTICATED, "canary"), (401, "Unauthorized")),
        (status(StatusCode.FAILED_PRECONDITION, "canary", reason="MIGRATING"), (503, "Service unavailable")),
    ],
    ids=lambda value: value.message if isinstance(value, status_pb2.Status) else None,
)
async def test_the_servers_own_words_reach_the_client_where_they_are_meant_for_it(
    answer: Answer, found: status_pb2.Status, expected: tuple[int, str]
) -> None:
    code = next(code for code in StatusCode if code.value[0] == found.code)
    response = await answer.told(code, found.message, found.SerializeToString())
    assert told(response) == (expected[0], f'{{"error":"{expected[1]}"}}'.encode())


@pytest.mark.parametrize(("seconds", "header"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.001, "2"), (30.0, "30")])
async def test_the_time_to_wait_is_in_whole_seconds(answer: Answer, seconds: float, header: str) -> None:
    found = status(StatusCode.RESOURCE_EXHAUSTED, "busy", seconds)
    response = await answer.told(StatusCode.RESOURCE_EXHAUSTED, "busy", found.SerializeToString())
    assert response.headers["retry-after"] == header


@pytest.mark.parametrize("details", [b"", b"\xff\xff\xff", b"\x1a\x05\x0a\x03abc"])
async def test_details_that_make_no_sense_are_left_out(answer: Answer, details: bytes) -> None:
    response = await answer.told(StatusCode.PERMISSION_DENIED, "canary", details)
    assert told(response) == (403, b'{"error":"Forbidden"}')
