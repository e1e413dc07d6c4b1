"""OpenTelemetry traces, for whoever installs the extra `otel` and sets READSTATE_OTLP_ENDPOINT.

A span for each call, child of the caller's where it sends `traceparent` (W3C Trace Context). Names and attributes are
those of OpenTelemetry's semantic conventions for gRPC.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from readstate.rpc.call import Call, Handler, Interceptor
from readstate.rpc.status import code_of


def otlp(endpoint: str) -> SpanExporter:
    """Sends spans to a collector: `http://…` in the clear, `https://…` with TLS."""
    return OTLPSpanExporter(endpoint=endpoint, insecure=endpoint.startswith("http://"))


@contextmanager
def traced(exporter: SpanExporter) -> Iterator[Interceptor]:
    """An interceptor that makes spans; what has not been sent on leaving is sent then."""
    provider = TracerProvider(resource=Resource({"service.name": "readstate"}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("readstate")
    propagator = TraceContextTextMapPropagator()

    async def interceptor(call_next: Handler, request: Any, call: Call) -> Any:
        carrier = {key: value for key, value in call.context.invocation_metadata() or () if isinstance(value, str)}
        service, _, method = call.method.path.strip("/").partition("/")
        with tracer.start_as_current_span(
            f"{service}/{method}",
            context=propagator.extract(carrier),
            kind=SpanKind.SERVER,
            attributes={"rpc.system": "grpc", "rpc.service": service, "rpc.method": method},
            # An exception's message may hold what must not leave the service.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            code = grpc.StatusCode.OK
            try:
                return await call_next(request, call)
            except Exception as error:
                code = code_of(error)
                span.set_status(Status(StatusCode.ERROR, code.name))
                raise
            finally:
                span.set_attribute("rpc.grpc.status_code", code.value[0])

    try:
        yield interceptor
    finally:
        provider.shutdown()
