"""What nobody expected: the caller is told that it happened, and nothing of the inside."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import asyncpg
import grpc
import pytest
from grpc import StatusCode
from pydantic import SecretStr

from readstate.client import ReadState
from readstate.config import ServerSettings
from readstate.identity import tokens
from readstate.identity.directory import DatabaseDirectory
from readstate.server import app
from readstate.store.marks.store import MarkStore
from readstate.v1.directory_pb2 import UpsertMembersRequest
from readstate.v1.system_events_pb2 import MarkReadRequest, RecordSystemEventsRequest
from tests.rpc import raw_http2
from tests.rpc.test_health import watching_without_reading
from tests.rpc.wire import Failure, Wire, failure

MARK_READ = "SystemEventService/MarkRead"
RECORD = "SystemEventService/RecordSystemEvents"
UPSERT = "DirectoryService/UpsertMembers"
ONE = MarkReadRequest(event_ids=[1])
INTERNAL = Failure(StatusCode.INTERNAL, "internal error", "INTERNAL", "readstate", "r")
UNAVAILABLE = Failure(
    StatusCode.UNAVAILABLE, "the service is unavailable: try again", "UNAVAILABLE", "readstate", "r", (), 1.0
)
CANARY = "canary-7f3a"


UNEXPECTED: list[tuple[BaseException, Failure]] = [
    (RuntimeError(CANARY), INTERNAL),
    (KeyError(CANARY), INTERNAL),
    (ExceptionGroup(CANARY, [ValueError(CANARY)]), INTERNAL),
    (asyncpg.PostgresError(CANARY), INTERNAL),
    (TimeoutError(CANARY), INTERNAL),
    (StopAsyncIteration(CANARY), INTERNAL),
    (grpc.RpcError(CANARY), INTERNAL),
    (asyncio.CancelledError(CANARY), UNAVAILABLE),
]


async def test_an_exception_in_a_handler_or_before_it_is_told_without_its_text(
    ada: ReadState, wire: Wire, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    metadata = (*wire.bearer("ada"), ("x-request-id", "r"))
    for kind, name in (MarkStore, "mark_read"), (DatabaseDirectory, "find"):
        for raised, told in UNEXPECTED:
            with subtests.test(place=name, raised=repr(raised)), monkeypatch.context() as patch:
                patch.setattr(kind, name, failing(raised))
                patch.setattr(DatabaseDirectory, "cached", lambda *_: None)
                assert await failure(wire.call(MARK_READ, ONE, metadata)) == told
    await wire.call(MARK_READ, ONE, metadata)


def failing(raised: BaseException) -> Callable[..., Awaitable[None]]:
    async def fail(*_: object, **__: object) -> None:
        raise raised

    return fail


async def test_an_exception_that_was_caused_by_another_is_told_without_either(
    ada: ReadState, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        try:
            raise ValueError(CANARY)
        except ValueError as error:
            raise RuntimeError(CANARY) from error

    monkeypatch.setattr(MarkStore, "mark_read", fail)
    found = await failure(wire.call(MARK_READ, ONE, (*wire.bearer("ada"), ("x-request-id", "r"))))
    assert found == INTERNAL


async def test_a_secret_is_in_no_reply_and_in_no_line_of_the_log(
    logged: Callable[[], str], settings: ServerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = settings.database_url.get_secret_value()
    secret = settings.token_secret
    assert secret
    settings = settings.model_copy(update={"database_url": SecretStr(url.replace("@", f":{CANARY}-password@"))})
    replies: list[str] = []
    async with (
        app.running_server(settings) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        wire = Wire(channel, settings)
        scope = "system_events:write directory:write"

        async def ask(method: str, request: object, token: str) -> StatusCode:
            metadata = [("authorization", f"Bearer {token}"), ("x-request-id", "r")]
            try:
                reply = await wire.call(method, request, metadata)  # type: ignore[arg-type]
            except grpc.aio.AioRpcError as error:
                replies.append(f"{error!r} {error.initial_metadata()} {error.trailing_metadata()}")
                return error.code()
            replies.append(repr(reply))
            return StatusCode.OK

        token = tokens.sign(settings, user=f"{CANARY}-user", scope=scope)
        stranger = tokens.sign(settings, user=f"{CANARY}-stranger")
        event = {"type": f"{CANARY}-type", "title": f"{CANARY}-title", "payload": {CANARY: CANARY}}
        record = RecordSystemEventsRequest(org_id=f"{CANARY}-org", events=[event])
        upsert = UpsertMembersRequest(members=[{"user_id": f"{CANARY}-user", "org_id": f"{CANARY}-org"}])
        forged = f"{token[:-4]}{CANARY}"

        assert await ask(UPSERT, upsert, token) == StatusCode.OK
        assert await ask(RECORD, record, token) == StatusCode.OK
        assert await ask(MARK_READ, ONE, token) == StatusCode.OK
        assert await ask(MARK_READ, ONE, stranger) == StatusCode.UNAUTHENTICATED
        assert await ask(MARK_READ, ONE, forged) == StatusCode.UNAUTHENTICATED
        assert await ask(MARK_READ, ONE, CANARY) == StatusCode.UNAUTHENTICATED
        assert await ask(f"{CANARY}/{CANARY}", ONE, token) == StatusCode.UNIMPLEMENTED
        assert await ask(RECORD, CANARY.encode(), token) == StatusCode.INVALID_ARGUMENT
        await asyncio.to_thread(raw_http2.call, server.port, (b"authorization", b"Bearer \xff" + CANARY.encode()))
        record.events[0].type += "\0"
        assert await ask(RECORD, record, token) == StatusCode.INVALID_ARGUMENT
        # What the database says of a failure quotes the row.
        await alter(url, "ALTER TABLE system_event ADD CHECK (title = '') NOT VALID")
        record.events[0].type = "t"
        assert await ask(RECORD, record, token) == StatusCode.INTERNAL
        await alter(url, "ALTER TABLE read_mark RENAME TO gone")
        assert await ask(MARK_READ, ONE, token) == StatusCode.INTERNAL
        monkeypatch.setattr(MarkStore, "mark_read", failing(RuntimeError(CANARY)))
        assert await ask(MARK_READ, ONE, token) == StatusCode.INTERNAL

    lines = logged()
    assert '"code": "INTERNAL"' in lines
    for line in lines.splitlines():
        assert json.loads(line)["level"]
    # The log names who called, and nobody else does.
    lines = lines.replace(f'"user": "{CANARY}-user"', "").replace(f'"user": "{CANARY}-stranger"', "")
    for text in (*replies, lines):
        for canary in CANARY, token, forged, stranger, token.split(".")[1], secret.get_secret_value():
            assert canary not in text


async def test_a_failure_that_nobody_expected_is_logged_with_the_id_that_the_caller_was_told(
    logged: Callable[[], str], settings: ServerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DatabaseDirectory, "find", failing(RuntimeError(CANARY)))
    async with (
        app.running_server(settings) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        wire = Wire(channel, settings)
        found = await failure(wire.call(MARK_READ, ONE, wire.bearer("ada")))
    lines = [json.loads(line) for line in logged().splitlines()]
    told, call = (line for line in lines if line.get("request_id") == found.request_id)
    if told["event"] == "call":
        told, call = call, told
    assert (told["event"], told["level"]) == ("internal error", "error")
    assert told["exception"][0]["type"] == "RuntimeError"
    assert any("test_faults.py" in frame for frame in told["exception"][0]["frames"])
    assert (call["code"], call["user"], call["method"]) == ("INTERNAL", "ada", "SystemEventService/MarkRead")


async def test_a_client_that_goes_away_is_no_error_of_ours(logged: Callable[[], str], settings: ServerSettings) -> None:
    async with app.running_server(settings) as server:
        async with watching_without_reading(server):
            pass
        await asyncio.sleep(0.3)
        async with watching_without_reading(server):
            pass  # and the server drains before it notices
    lines = [json.loads(line) for line in logged().splitlines()]
    lines = [line for line in lines if line["event"] != "slow statement"]  # this machine may be busy
    assert {line["level"] for line in lines} == {"info", "debug"}  # the calls are to health
    assert [line["code"] for line in lines if line["event"] == "call"] == ["CANCELLED"] * 2


async def test_one_line_is_logged_for_each_call_and_control_characters_are_not(
    logged: Callable[[], str], settings: ServerSettings
) -> None:
    async with (
        app.running_server(settings) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        wire = Wire(channel, settings)
        odd = "x\u2028y\u2029" + "z" * 250
        bearer = wire.bearer(odd, scope="directory:write")
        request = UpsertMembersRequest(members=[{"user_id": odd, "org_id": "acme"}])
        await wire.call(UPSERT, request, (*bearer, ("x-request-id", "r1")))
        await wire.call(MARK_READ, MarkReadRequest(event_ids=[1, 2, 2]), (*bearer, ("x-request-id", "r2")))
    calls = [line for line in map(json.loads, logged().splitlines()) if line["event"] == "call"]
    assert [(call["request_id"], call["code"], call["ids"]) for call in calls] == [("r1", "OK", 1), ("r2", "OK", 2)]
    assert calls[1]["user"] == "xy" + "z" * 250
    assert (calls[1]["changed"], calls[1]["method"]) == (0, "SystemEventService/MarkRead")
    assert calls[1]["ms"] >= 0


async def alter(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()
