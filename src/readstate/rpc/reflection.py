"""Server reflection, for grpcurl and its like."""

from collections.abc import Sequence
from typing import Final

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from readstate.rpc.adapter import Registrar

# The two versions of the protocol differ in their package's name alone, and the library knows the older one only.
_SERVICES: Final = ("grpc.reflection.v1.ServerReflection", reflection.SERVICE_NAME)


def register_reflection(registrar: Registrar, services: Sequence[str]) -> None:
    """Describe `services` to whoever may ask."""
    servicer = reflection.aio.ReflectionServicer((*services, *_SERVICES[1:]))
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    for service in _SERVICES:
        registrar.add_registered_method_handlers(service, {"ServerReflectionInfo": handler})
