"""Reflection, behind authentication like any method."""

from collections.abc import Sequence
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc import StatusCode
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from readstate.config import ServerSettings
from readstate.server import app
from tests.rpc.wire import Failure, Metadata, Wire, failure_of

VERSIONS = "grpc.reflection.v1alpha.ServerReflection", "grpc.reflection.v1.ServerReflection"
SERVICES = {
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "readstate.v1.DirectoryService",
    "readstate.v1.NotificationService",
    "readstate.v1.SystemEventService",
    "readstate.v1.UnreadService",
}
LIST = ServerReflectionRequest(list_services="*")


@pytest.mark.parametrize("version", VERSIONS)
async def test_with_a_token_it_lists_every_service(channel: grpc.aio.Channel, wire: Wire, version: str) -> None:
    (reply,) = await reflected(channel, [LIST], wire.bearer("anybody"), version)
    assert {service.name for service in reply.list_services_response.service} == SERVICES


@pytest.mark.parametrize("version", VERSIONS)
async def test_without_a_token_it_tells_nothing(channel: grpc.aio.Channel, wire: Wire, version: str) -> None:
    for metadata, reason in ((), "TOKEN_MISSING"), (wire.bearer("anybody", expires_in=-60), "TOKEN_EXPIRED"):
        found = await refused(channel, metadata, version)
        assert (found.code, found.reason) == (StatusCode.UNAUTHENTICATED, reason)


async def test_development_leaves_it_open_and_nothing_else(settings: ServerSettings) -> None:
    async with (
        app.running_server(settings, open_reflection=True) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        for version in VERSIONS:
            (reply,) = await reflected(channel, [LIST], (), version)
            assert len(reply.list_services_response.service) == len(SERVICES)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await Wire(channel, settings).call("SystemEventService/MarkRead", b"")
        assert raised.value.code() == StatusCode.UNAUTHENTICATED


async def test_symbols_are_described_with_the_json_names_of_their_fields(channel: grpc.aio.Channel, wire: Wire) -> None:
    asked = ServerReflectionRequest(file_containing_symbol="readstate.v1.MarkReadResponse")
    (reply,) = await reflected(channel, [asked], wire.bearer("anybody"))
    files = [FileDescriptorProto.FromString(file) for file in reply.file_descriptor_response.file_descriptor_proto]
    fields = {f.name: f.json_name for file in files for message in file.message_type for f in message.field}
    assert fields["changed_count"] == "changedCount"


@pytest.mark.parametrize(
    ("symbol", "file"),
    [
        ("readstate.v1.SystemEventService.MarkRead", "readstate/v1/system_events.proto"),
        ("readstate.v1.NotificationService.MarkNotificationRead", "readstate/v1/notifications.proto"),
        ("readstate.v1.MarkReadRequest.event_ids", "readstate/v1/system_events.proto"),
        ("readstate.v1.NOTIFICATION_STATUS_SEEN", "readstate/v1/notifications.proto"),
        ("grpc.reflection.v1.ServerReflection", "grpc/reflection/v1/reflection.proto"),
        ("grpc.reflection.v1.ServerReflection.ServerReflectionInfo", "grpc/reflection/v1/reflection.proto"),
        ("grpc.health.v1.Health.Check", "grpc_health/v1/health.proto"),
        ("grpc.health.v1.Health.List", "grpc_health/v1/health.proto"),
    ],
)
async def test_what_has_no_file_of_its_own_is_described_by_the_file_of_its_parent(
    channel: grpc.aio.Channel, wire: Wire, symbol: str, file: str
) -> None:
    asked = ServerReflectionRequest(file_containing_symbol=symbol)
    (reply,) = await reflected(channel, [asked], wire.bearer("anybody"))
    first, *_ = reply.file_descriptor_response.file_descriptor_proto
    assert FileDescriptorProto.FromString(first).name == file


async def test_what_does_not_exist_is_not_found_and_the_stream_goes_on(channel: grpc.aio.Channel, wire: Wire) -> None:
    asked = [
        ServerReflectionRequest(file_containing_symbol="no.such.Symbol"),
        ServerReflectionRequest(file_containing_symbol="readstate.v1.SystemEventService.NoSuchMethod"),
        ServerReflectionRequest(file_by_filename="/etc/passwd"),
        ServerReflectionRequest(all_extension_numbers_of_type="no.such.Type"),
        ServerReflectionRequest(file_containing_extension={"containing_type": "no.Type", "extension_number": 1}),
        ServerReflectionRequest(),
        LIST,
    ]
    replies = await reflected(channel, asked, wire.bearer("anybody"))
    codes = [reply.error_response.error_code for reply in replies]
    assert codes == [StatusCode.NOT_FOUND.value[0]] * 5 + [StatusCode.INVALID_ARGUMENT.value[0], 0]


async def test_bytes_that_are_no_reflection_request_are_refused(channel: grpc.aio.Channel, wire: Wire) -> None:
    assert (await refused(channel, wire.bearer("anybody"), VERSIONS[0], b"\xff")).reason == "MALFORMED_REQUEST"


async def reflected(
    channel: grpc.aio.Channel,
    requests: Sequence[ServerReflectionRequest | bytes],
    metadata: Metadata,
    version: str = VERSIONS[0],
) -> list[ServerReflectionResponse]:
    data = [request if isinstance(request, bytes) else request.SerializeToString() for request in requests]
    method: Any = channel.stream_stream(f"/{version}/ServerReflectionInfo")
    call = method(iter(data), metadata=metadata, timeout=3)
    return [ServerReflectionResponse.FromString(reply) async for reply in call]


async def refused(
    channel: grpc.aio.Channel, metadata: Metadata, version: str, request: ServerReflectionRequest | bytes = LIST
) -> Failure:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await reflected(channel, [request], metadata, version)
    return failure_of(raised.value)
