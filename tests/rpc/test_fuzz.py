"""Whatever a caller sends, the answer is one of those that the contract names: no INTERNAL, no UNKNOWN, no hang."""

import asyncio
import string
from collections.abc import Mapping
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc import StatusCode
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from readstate.client import ReadState
from readstate.server.app import RunningServer
from tests.rpc import raw_http2
from tests.rpc.test_order import METHODS
from tests.rpc.wire import Metadata, Wire

ANSWERS = {
    StatusCode.OK,
    StatusCode.INVALID_ARGUMENT,
    StatusCode.NOT_FOUND,
    StatusCode.FAILED_PRECONDITION,
    StatusCode.UNAUTHENTICATED,
}

SCALARS: Mapping[int, st.SearchStrategy[Any]] = {
    # Not the caller's own name: they would move themselves out of the organisation.
    FieldDescriptor.TYPE_STRING: st.sampled_from(
        ["bob", "acme", "globex", "nf_" + "a" * 12, "sender", "x", "'", "\ufffe"]
    )
    | st.text(max_size=20),
    FieldDescriptor.TYPE_INT64: st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 60),
    FieldDescriptor.TYPE_INT32: st.integers(-(2**31), 2**31 - 1) | st.integers(-2, 60),
    FieldDescriptor.TYPE_DOUBLE: st.floats(),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_ENUM: st.integers(-1, 9),
}


def requests(method: str) -> st.SearchStrategy[Message]:
    service, _, name = method.partition("/")
    return messages(Default().FindServiceByName(f"readstate.v1.{service}").methods_by_name[name].input_type, 4)


def messages(kind: Descriptor, depth: int) -> st.SearchStrategy[Any]:
    """Any message of this type, nested at most `depth` levels."""
    fields = {field.name: values(field, depth) for field in kind.fields if depth or field.message_type is None}
    fill = st.fixed_dictionaries({}, optional=fields)
    return fill.map(lambda given: GetMessageClass(kind)(**one_of_each(kind, given)))


def values(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    if field.message_type and field.message_type.GetOptions().map_entry:
        by_name = field.message_type.fields_by_name
        return st.dictionaries(values(by_name["key"], 0), values(by_name["value"], depth - 1), max_size=3)
    one = messages(field.message_type, depth - 1) if field.message_type else SCALARS[field.type]
    return st.lists(one, max_size=4) if field.is_repeated else one


def one_of_each(kind: Descriptor, given: dict[str, Any]) -> dict[str, Any]:
    """At most one field of each `oneof`."""
    for oneof in kind.oneofs:
        for field in [field.name for field in oneof.fields if field.name in given][1:]:
            del given[field]
    return given


async def answer(wire: Wire, method: str, request: Message | bytes, metadata: Metadata) -> StatusCode:
    try:
        await wire.call(method, request, metadata)
    except grpc.aio.AioRpcError as error:
        note(f"{method} {error.details()}")
        return error.code()
    return StatusCode.OK


@pytest.fixture
def bearer(ada: ReadState, wire: Wire) -> Metadata:
    return wire.bearer("ada", scope=" ".join(needs.scope for needs in METHODS.values()))


anything = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


ANSWERED = sorted(METHODS.keys() - {"UnreadService/WatchUnread"})
"""The methods that end by themselves."""


@anything
@given(call=st.sampled_from(ANSWERED).flatmap(lambda method: st.tuples(st.just(method), requests(method))))
async def test_any_message(call: tuple[str, Message], wire: Wire, bearer: Metadata) -> None:
    assert await answer(wire, *call, bearer) in ANSWERS


@anything
@given(method=st.sampled_from(ANSWERED), request=st.binary(max_size=100))
async def test_any_bytes(method: str, request: bytes, wire: Wire, bearer: Metadata) -> None:
    assert await answer(wire, method, request, bearer) in ANSWERS


@anything
@given(
    method=st.sampled_from(sorted(METHODS)),
    authorizations=st.lists(st.text(string.ascii_letters + string.digits + " .-_=,", max_size=60), max_size=3),
)
async def test_any_authorization(method: str, authorizations: list[str], wire: Wire) -> None:
    metadata = [("authorization", value) for value in authorizations]
    assert await answer(wire, method, b"", metadata) == StatusCode.UNAUTHENTICATED


@anything
@given(
    method=st.sampled_from(ANSWERED),
    keys=st.lists(st.text([chr(i) for i in range(32, 127)], max_size=260), min_size=1, max_size=2),
)
async def test_any_idempotency_key(method: str, keys: list[str], wire: Wire, bearer: Metadata) -> None:
    metadata = [*bearer, *(("idempotency-key", key) for key in keys)]
    assert await answer(wire, method, b"", metadata) in ANSWERS


@pytest.mark.parametrize("field", [":path", "authorization", "x-request-id", "idempotency-key", "x-unknown"])
async def test_bytes_that_are_no_text_harm_only_their_own_call(
    field: str, server: RunningServer, ada: ReadState
) -> None:
    text = b"/readstate.v1.SystemEventService/\xff\xfe"
    if field == ":path":
        await asyncio.to_thread(raw_http2.call, server.port, path=text)
    else:
        await asyncio.to_thread(raw_http2.call, server.port, (field.encode(), text))
    assert (await ada.mark_read([1])).changed == 1
