"""Each row of the error table: code, message and details."""

import asyncio
from typing import Any

import asyncpg
import grpc
import pytest
from grpc import StatusCode

from readstate import deadline
from readstate.client import ReadState
from readstate.store.marks.store import MarkStore
from readstate.v1.system_events_pb2 import MarkReadRequest, NewSystemEvent, RecordSystemEventsRequest
from tests.rpc.wire import Failure, Metadata, Wire, failure

MARK_READ = "SystemEventService/MarkRead"
RECORD = "SystemEventService/RecordSystemEvents"
ONE = MarkReadRequest(event_ids=[1])


def expected(
    code: StatusCode,
    reason: str,
    message: str,
    *,
    violations: tuple[tuple[str, str], ...] = (),
    retry_seconds: float | None = None,
) -> Failure:
    return Failure(code, message, reason, "readstate", "id-of-a-request", violations, retry_seconds)


@pytest.fixture
async def as_ada(ada: ReadState, wire: Wire) -> Metadata:
    """Ada's metadata, with an id for the request."""
    return (*wire.bearer("ada"), ("x-request-id", "id-of-a-request"))


async def test_ids_missing_or_none_valid(wire: Wire, as_ada: Metadata) -> None:
    message = "Missing or invalid id or ids"
    assert await failure(wire.call(MARK_READ, b"", as_ada)) == expected(
        StatusCode.INVALID_ARGUMENT, "INVALID_EVENT_IDS", message, violations=(("event_ids", message),)
    )


async def test_too_many_ids(wire: Wire, as_ada: Metadata) -> None:
    message = "Too many ids: at most 10000"
    assert await failure(wire.call(MARK_READ, MarkReadRequest(event_ids=[1] * 10_001), as_ada)) == expected(
        StatusCode.INVALID_ARGUMENT, "TOO_MANY_EVENT_IDS", message, violations=(("event_ids", message),)
    )


async def test_a_field_that_breaks_a_rule(wire: Wire, as_ada: Metadata) -> None:
    scoped = (*wire.bearer("ada", scope="system_events:write"), as_ada[1])
    request = RecordSystemEventsRequest(org_id="acme", events=[NewSystemEvent()])
    message = "must have 1 to 255 characters"
    assert await failure(wire.call(RECORD, request, scoped)) == expected(
        StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", message, violations=(("events[0].type", message),)
    )


async def test_bytes_that_are_not_the_message(wire: Wire, as_ada: Metadata) -> None:
    for data in b"\xff", b"\x0a\x05\x01", b"\x08", b"\x0a\x01\xff":
        assert await failure(wire.call(MARK_READ, data, as_ada)) == expected(
            StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST", "the request is not a message of the method's type"
        )
    # Text that is not UTF-8.
    scoped = (*wire.bearer("ada", scope="system_events:write"), as_ada[1])
    assert (await failure(wire.call(RECORD, b"\x0a\x02\xc3\x28", scoped))).reason == "MALFORMED_REQUEST"


async def test_unauthenticated(wire: Wire, as_ada: Metadata, subtests: pytest.Subtests) -> None:
    missing = "exactly one authorization of the form 'Bearer <token>' is required"
    (_, valid), request_id = wire.bearer("ada")[0], as_ada[1]
    assert isinstance(valid, str)
    for authorizations, reason, message in (
        ([], "TOKEN_MISSING", missing),
        ([""], "TOKEN_MISSING", missing),
        (["Bearer "], "TOKEN_MISSING", missing),
        (["Basic YTpi"], "TOKEN_MISSING", missing),
        ([valid.removeprefix("Bearer ")], "TOKEN_MISSING", missing),
        ([valid, valid], "TOKEN_MISSING", missing),
        ([valid + "x"], "TOKEN_INVALID", "the bearer token is not valid"),
        (["Bearer " + "x" * 9000], "TOKEN_INVALID", "the bearer token is not valid"),
        ([f"{valid}, {valid}"], "TOKEN_INVALID", "the bearer token is not valid"),
        ([wire.bearer("ada", expires_in=-60)[0][1]], "TOKEN_EXPIRED", "the bearer token has expired"),
        ([wire.bearer("stranger")[0][1]], "USER_NOT_FOUND", "user not found"),
    ):
        with subtests.test(authorizations=str(authorizations)[:40]):
            metadata = [*(("authorization", value) for value in authorizations), request_id]
            assert await failure(wire.call(MARK_READ, ONE, metadata)) == expected(
                StatusCode.UNAUTHENTICATED, reason, message
            )


async def test_no_organisation(wire: Wire, as_ada: Metadata) -> None:
    assert await failure(wire.call(MARK_READ, ONE, (*wire.bearer("carol"), as_ada[1]))) == expected(
        StatusCode.PERMISSION_DENIED, "NO_ORGANIZATION", "User not associated with an organization"
    )


async def test_a_scope_that_is_missing(wire: Wire, as_ada: Metadata) -> None:
    assert await failure(wire.call(RECORD, b"", as_ada)) == expected(
        StatusCode.PERMISSION_DENIED, "SCOPE_MISSING", "the token lacks the scope system_events:write"
    )


async def test_event_ids_that_are_used_up(wire: Wire, as_ada: Metadata) -> None:
    scoped = (*wire.bearer("ada", scope="system_events:write"), as_ada[1])
    events = [NewSystemEvent(type="t", event_id=2**53 - 1), NewSystemEvent(type="t")]
    assert await failure(wire.call(RECORD, RecordSystemEventsRequest(org_id="a", events=events), scoped)) == expected(
        StatusCode.FAILED_PRECONDITION,
        "EVENT_IDS_EXHAUSTED",
        "the organisation has used the largest event id: bring ids with the events",
    )


async def test_a_method_that_does_not_exist(wire: Wire, as_ada: Metadata, subtests: pytest.Subtests) -> None:
    other_version = "/readstate.v2.SystemEventService/MarkRead"
    for path in "SystemEventService/Nothing", "NoService/MarkRead", other_version, "/", "/x", "/x/y/z":
        with subtests.test(path=path):
            assert await failure(wire.call(path, b"anything", as_ada)) == expected(
                StatusCode.UNIMPLEMENTED, "UNKNOWN_METHOD", "unknown service or method"
            )
            # Which methods there are is nobody's business who is not known.
            assert (await failure(wire.call(path, b"anything"))).reason == "TOKEN_MISSING"


async def test_a_statement_that_cannot_get_its_lock_in_time(
    wire: Wire, as_ada: Metadata, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await asyncpg.connect(database_url)
    async with connection.transaction():
        await connection.execute("LOCK TABLE read_mark")
        assert await failure(wire.call(MARK_READ, ONE, as_ada)) == expected(
            StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE", "the database is unavailable: try again", retry_seconds=1
        )
    await connection.close()
    await wire.call(MARK_READ, ONE, as_ada)


async def test_out_of_time(wire: Wire, as_ada: Metadata, monkeypatch: pytest.MonkeyPatch) -> None:
    async def mark_read(*_: object, **__: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(MarkStore, "mark_read", mark_read)
    monkeypatch.setattr(deadline, "CALL_SECONDS", 0.1)
    for timeout in 3, None:
        assert await failure(wire.call(MARK_READ, ONE, as_ada, timeout=timeout)) == expected(
            StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", "out of time"
        )


async def test_a_message_over_one_mebibyte_is_refused(wire: Wire, channel: grpc.aio.Channel, as_ada: Metadata) -> None:
    assert (await failure(wire.call(MARK_READ, bytes(2**20 + 1), as_ada))).code == StatusCode.RESOURCE_EXHAUSTED
    mark_read: Any = channel.unary_unary("/readstate.v1.SystemEventService/MarkRead")
    small_when_compressed = mark_read(bytes(20 * 2**20), metadata=as_ada, compression=grpc.Compression.Gzip)
    assert (await failure(small_when_compressed)).code == StatusCode.RESOURCE_EXHAUSTED
    await wire.call(MARK_READ, ONE, as_ada)


async def test_a_success_tells_the_id_of_its_request(channel: grpc.aio.Channel, as_ada: Metadata) -> None:
    mark: Any = channel.unary_unary("/readstate.v1.SystemEventService/MarkRead")
    call = mark(ONE.SerializeToString(), metadata=as_ada)
    await call
    assert ("x-request-id", "id-of-a-request") in tuple(await call.trailing_metadata())


async def test_a_request_without_an_id_is_given_one(wire: Wire) -> None:
    ids = [(await failure(wire.call(MARK_READ, ONE))).request_id for _ in range(2)]
    assert all(ids)
    assert len(set(ids)) == 2


async def test_an_id_of_a_request_that_is_no_good_is_replaced(wire: Wire) -> None:
    for given in "", "x" * 129, "with space":
        found = await failure(wire.call(MARK_READ, ONE, [("x-request-id", given)]))
        assert found.request_id
        assert found.request_id != given


async def test_metadata_of_nine_kibibytes_is_accepted_every_time(wire: Wire, as_ada: Metadata) -> None:
    # With grpcio's defaults it is refused at random.
    for _ in range(50):
        await wire.call(MARK_READ, ONE, (*as_ada, ("x-large", "x" * 9 * 1024)))


async def test_metadata_beyond_the_hard_limit_is_refused(wire: Wire, as_ada: Metadata) -> None:
    found = await failure(wire.call(MARK_READ, ONE, (*as_ada, ("x-large", "x" * 70 * 1024))))
    # The engines differ here: one says so by gRPC, the other by HTTP 431, which clients take for UNKNOWN.
    assert found.code in (StatusCode.RESOURCE_EXHAUSTED, StatusCode.UNKNOWN)
    await wire.call(MARK_READ, ONE, as_ada)
