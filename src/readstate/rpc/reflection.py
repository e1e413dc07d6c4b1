"""Server reflection, for grpcurl and its like."""

from collections.abc import Sequence
from typing import Any, Final

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, text_format
from google.protobuf.descriptor import Descriptor, FileDescriptor
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from readstate.rpc import health_proto
from readstate.rpc.adapter import Registrar

# The two versions of the protocol differ only in the name of their package. The library knows only the older one.
_OLD, _NEW = "grpc.reflection.v1alpha", "grpc.reflection.v1"
_SERVICES: Final = (f"{_NEW}.ServerReflection", reflection.SERVICE_NAME)


def register_reflection(registrar: Registrar, services: Sequence[str]) -> None:
    """Describe `services` to callers that may ask."""
    pool: Any = _FindsMethods(_with_json_names((*services, reflection.SERVICE_NAME)))
    servicer = reflection.aio.ReflectionServicer((*services, *_SERVICES), pool=pool)
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    for service in _SERVICES:
        registrar.add_registered_method_handlers(service, {"ServerReflectionInfo": handler})


class _FindsMethods:
    """A pool in which gRPC's reflection finds methods as well. grpcurl's `describe`, ghz and evans ask for them."""

    def __init__(self, pool: descriptor_pool.DescriptorPool) -> None:
        self._pool = pool

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            return self._pool.FindMethodByName(symbol).containing_service.file


def _with_json_names(services: Sequence[str]) -> descriptor_pool.DescriptorPool:
    """The files that define these services, with the JSON names of fields.

    Python's generated code leaves the names out; grpcurl would then print `changed_count` where every other JSON client
    of the same protos says `changedCount`.
    """
    pool = descriptor_pool.DescriptorPool()
    added: set[str] = set()

    def add(file: FileDescriptor) -> None:
        if file.name in added:
            return
        added.add(file.name)
        for dependency in file.dependencies:
            add(dependency)
        proto = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(proto)
        for message in proto.message_type:
            _name_fields(message, file.message_types_by_name[message.name])
        pool.Add(proto)

    for service in services:
        add(_file_of(service))
    # The messages in the details of errors, so that grpcurl can show them.
    add(error_details_pb2.DESCRIPTOR)
    pool.Add(_newer_protocol())
    return pool


def _file_of(service: str) -> FileDescriptor:
    if service == health_proto.SERVICE:
        return health_proto.FILE
    return descriptor_pool.Default().FindFileContainingSymbol(service)


def _newer_protocol() -> descriptor_pb2.FileDescriptorProto:
    older = descriptor_pb2.FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(older)
    older.name = "grpc/reflection/v1/reflection.proto"
    return text_format.Parse(
        text_format.MessageToString(older).replace(_OLD, _NEW), descriptor_pb2.FileDescriptorProto()
    )


def _name_fields(message: descriptor_pb2.DescriptorProto, descriptor: Descriptor) -> None:
    for field in message.field:
        field.json_name = descriptor.fields_by_name[field.name].json_name
    for nested in message.nested_type:
        _name_fields(nested, descriptor.nested_types_by_name[nested.name])
