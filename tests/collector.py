"""A collector of OpenTelemetry: it takes spans by OTLP over gRPC, and keeps them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

EXPORT = "opentelemetry.proto.collector.trace.v1.TraceService"


class Collector:
    """Where spans arrive when the process that makes them ends, or some seconds after they have ended."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[ExportTraceServiceRequest] = []

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def spans(self, service: str) -> list[Any]:
        """Those of a service, in the order in which they have ended."""
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            if any(a.key == "service.name" and a.value.string_value == service for a in resource.resource.attributes)
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    async def export(self, request: ExportTraceServiceRequest, _: Any) -> ExportTraceServiceResponse:
        self.requests.append(request)
        return ExportTraceServiceResponse()


def attributes(span: Any) -> dict[str, str | int]:
    """The attributes of a span."""
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes}


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    collector, server = Collector(), grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(
        collector.export,
        request_deserializer=ExportTraceServiceRequest.FromString,
        response_serializer=ExportTraceServiceResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(EXPORT, {"Export": handler}),))
    collector.port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield collector
    finally:
        await server.stop(None)
