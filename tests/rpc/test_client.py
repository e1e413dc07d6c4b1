"""The Python client: tokens, deadlines, repetition and errors."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import status_pb2
from google.rpc.error_details_pb2 import ErrorInfo
from grpc import StatusCode

from readstate import errors
from readstate.client import CallFailed, ReadState
from readstate.config import ServerSettings
from readstate.identity import tokens
from readstate.model import MarkResult
from readstate.server.app import RunningServer
from readstate.store.events import EventStore
from readstate.store.marks.store import MarkStore


class Issuer:
    """Issues tokens for ada: expired ones first, `stale` of them."""

    def __init__(self, settings: ServerSettings, stale: int) -> None:
        self._settings = settings
        self._stale = stale
        self.issued = 0

    async def __call__(self) -> str:
        self.issued += 1
        await asyncio.sleep(0.05)
        return tokens.sign(self._settings, user="ada", expires_in=-60 if self.issued <= self._stale else 60)


@pytest.fixture
def target(server: RunningServer, demo_data: None) -> str:
    return f"127.0.0.1:{server.port}"


async def test_a_token_is_fetched_once_for_many_calls(target: str, settings: ServerSettings) -> None:
    issuer = Issuer(settings, stale=0)
    async with ReadState(target, token=issuer) as ada:
        await asyncio.gather(*(ada.mark_read([1]) for _ in range(20)))
        await ada.mark_read([1])
    assert issuer.issued == 1


async def test_an_expired_token_is_renewed_once_for_all_calls(target: str, settings: ServerSettings) -> None:
    issuer = Issuer(settings, stale=1)
    async with ReadState(target, token=issuer) as ada:
        results = await asyncio.gather(*(ada.mark_read([1]) for _ in range(20)))
        assert sum(result.changed for result in results) == 1
        await ada.mark_read([1])
    assert issuer.issued == 2


async def test_a_renewed_token_that_has_expired_as_well_is_an_error(target: str, settings: ServerSettings) -> None:
    issuer = Issuer(settings, stale=9)
    async with ReadState(target, token=issuer) as ada:
        with pytest.raises(errors.ExpiredToken):
            await ada.mark_read([1])
    assert issuer.issued == 2


async def test_a_token_given_as_text_is_used_as_it_is(target: str, settings: ServerSettings) -> None:
    async with ReadState(target, token=tokens.sign(settings, user="ada", expires_in=-60)) as ada:
        with pytest.raises(errors.ExpiredToken):
            await ada.mark_read([1])
    async with ReadState(target, token="") as nobody:
        with pytest.raises(errors.MissingToken):
            await nobody.mark_read([1])


async def test_white_space_around_a_token_does_not_matter(target: str, settings: ServerSettings) -> None:
    token = f" {tokens.sign(settings, user='ada')}\r\n"

    async def fetch() -> str:
        return token

    for given in token, fetch:
        async with ReadState(target, token=given) as ada:
            assert (await ada.mark_read([1])).matched == 1


@pytest.mark.parametrize("token", ["secret\nx", "secret\x00", "sécret", "secret\udc80"])
async def test_a_token_that_no_call_can_carry_is_refused_and_not_quoted(token: str) -> None:
    async def fetch() -> str:
        return token

    with pytest.raises(ValueError, match=r"^token must be printable ASCII$"):
        ReadState("127.0.0.1:1", token=token)
    async with ReadState("127.0.0.1:1", token=fetch) as nobody:
        with pytest.raises(ValueError, match=r"^token must be printable ASCII$"):
            await nobody.mark_read([1])


@pytest.mark.parametrize("key", ["ключ", "a\n"])
async def test_an_idempotency_key_that_no_call_can_carry_is_refused(ada: ReadState, key: str) -> None:
    with pytest.raises(ValueError, match=r"^idempotency_key must be printable ASCII$"):
        await ada.mark_all_notifications_seen(idempotency_key=key)


async def test_an_error_has_its_type_its_text_its_field_and_the_id_of_its_request(ada: ReadState) -> None:
    with pytest.raises(errors.TooManyEventIds) as raised:
        await ada.mark_read(range(20_000))
    assert (str(raised.value), raised.value.field) == ("Too many ids: at most 10000", "event_ids")
    assert raised.value.request_id
    with pytest.raises(errors.MissingScope) as missing:
        await ada.remove_members(["ada"])
    assert (str(missing.value), missing.value.request_id) != ("", None)


async def test_a_failure_that_has_no_type_tells_its_code(producer: ReadState) -> None:
    # Each with two bytes around it: 1 MiB, as the protos say.
    user_ids = [f"{i:0{103 if i < 8576 else 102}}" for i in range(10_000)]
    assert await producer.remove_members(user_ids) == 0
    with pytest.raises(CallFailed, match="larger than max") as raised:
        await producer.remove_members([*user_ids[1:], "0" * 104])
    assert raised.value.code == StatusCode.RESOURCE_EXHAUSTED


async def test_where_nobody_listens_the_service_is_unavailable() -> None:
    async with ReadState("127.0.0.1:1", token="t") as nobody:
        with pytest.raises(errors.Unavailable):
            await nobody.mark_read([1], timeout=2)


async def test_a_list_of_addresses_is_a_target(server: RunningServer, ada: ReadState, settings: ServerSettings) -> None:
    token = tokens.sign(settings, user="ada")
    for target in "ipv4:127.0.0.1:{0},127.0.0.1:{0}", "ipv4:///127.0.0.1:{0},127.0.0.1:{0}":
        async with ReadState(target.format(server.port), token=token) as client:
            assert (await client.mark_read([1])).matched == 1


async def test_a_call_has_a_deadline_and_may_bring_its_own(
    target: str, settings: ServerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object, **__: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(MarkStore, "mark_read", never)
    loop = asyncio.get_running_loop()
    async with ReadState(target, token=tokens.sign(settings, user="ada"), timeout=0.3) as ada:
        for timeout in None, 0.1:
            began = loop.time()
            with pytest.raises(errors.OutOfTime):
                await ada.mark_read([1], timeout=timeout)
            assert loop.time() - began < 3


def failing(times: int, act: Callable[..., object], calls: list[int]) -> Callable[..., object]:
    async def fail_at_first(*args: object, **kwargs: object) -> object:
        calls.append(1)
        if len(calls) <= times:
            raise errors.DatabaseUnavailable
        return await act(*args, **kwargs)  # type: ignore[misc]

    return fail_at_first


async def test_what_is_safe_to_repeat_is_repeated(ada: ReadState, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(MarkStore, "mark_read", failing(2, MarkStore.mark_read, calls))
    assert await ada.mark_read([1]) == MarkResult(changed=1, matched=1)
    assert len(calls) == 3


async def test_it_is_not_repeated_for_ever(ada: ReadState, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(MarkStore, "mark_unread", failing(99, MarkStore.mark_unread, calls))
    with pytest.raises(errors.DatabaseUnavailable):
        await ada.mark_unread([1])
    assert len(calls) == 4


async def test_what_is_not_safe_to_repeat_is_not_repeated(producer: ReadState, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(EventStore, "record", failing(1, EventStore.record, calls))
    with pytest.raises(errors.DatabaseUnavailable):
        await producer.record_system_events("acme", [{"type": "t"}])
    assert len(calls) == 1


def details(*packed: Message, code: StatusCode) -> bytes:
    found = status_pb2.Status(code=code.value[0])
    for message in packed:
        found.details.add().Pack(message)
    return bytes(found.SerializeToString())


INVALID, DENIED = StatusCode.INVALID_ARGUMENT, StatusCode.PERMISSION_DENIED
ANSWERS: dict[str, tuple[StatusCode, bytes, type[errors.ReadStateError]]] = {
    "garbled details": (INVALID, b"\xff\xff", CallFailed),
    "details of another code": (INVALID, details(code=StatusCode.NOT_FOUND), CallFailed),
    "somebody else's reason": (
        DENIED,
        details(ErrorInfo(reason="TOKEN_EXPIRED", domain="proxy.example"), code=DENIED),
        CallFailed,
    ),
    "a field that is not told": (
        INVALID,
        details(ErrorInfo(reason="INVALID_FIELD", domain="readstate"), code=INVALID),
        errors.InvalidRequest,
    ),
    "a server that stops": (StatusCode.CANCELLED, b"", errors.Unavailable),
}


@pytest.mark.parametrize(("code", "details", "kind"), ANSWERS.values(), ids=ANSWERS.keys())
async def test_whatever_lies_between_may_answer(
    code: StatusCode, details: bytes, kind: type[errors.ReadStateError]
) -> None:
    async def answer(_: bytes, context: Any) -> None:
        await context.abort(code, "no", (("grpc-status-details-bin", details),) if details else ())

    between = grpc.aio.server()
    handlers: dict[str, Any] = {"MarkRead": grpc.unary_unary_rpc_method_handler(answer)}
    service = grpc.method_handlers_generic_handler("readstate.v1.SystemEventService", handlers)
    between.add_generic_rpc_handlers((service,))
    port = between.add_insecure_port("127.0.0.1:0")
    await between.start()
    try:
        async with ReadState(f"127.0.0.1:{port}", token="t") as ada:
            with pytest.raises(kind) as raised:
                await ada.mark_read([1], timeout=3)
        assert type(raised.value) is kind
        assert (str(raised.value), raised.value.request_id) == ("no", None)
    finally:
        await between.stop(None)
