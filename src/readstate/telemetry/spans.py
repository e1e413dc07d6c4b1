"""Spans of OpenTelemetry, sent to a collector. Needs the extra `otel`."""

from collections.abc import Mapping
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from readstate.telemetry.trace_context import TraceContext

SEND_SECONDS: Final = 3
"""A collector has so long to take a batch of spans. A server that stops waits for it."""

_PROPAGATOR: Final = TraceContextTextMapPropagator()


class Span:
    """A call that is traced."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @property
    def context(self) -> TraceContext:
        """What the calls get that are made for this one."""
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier, trace.set_span_in_context(self._span, Context()))
        return TraceContext(carrier["traceparent"], carrier.get("tracestate", ""))

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def end(self, attributes: Mapping[str, str | int], failure: str | None) -> None:
        """`failure` is a word that says what went wrong. An exception's message may hold what must not leave."""
        self._span.set_attributes(dict(attributes))
        if failure is not None:
            self._span.set_status(trace.Status(trace.StatusCode.ERROR, failure))
        self._span.end()


class Spans:
    """Makes spans, and sends them to a collector from a thread of its own."""

    def __init__(self, service: str, endpoint: str) -> None:
        """`endpoint` speaks OTLP over gRPC: `http://…` in the clear, `https://…` with TLS."""
        exporter = OTLPSpanExporter(endpoint, insecure=endpoint.startswith("http://"), timeout=SEND_SECONDS)
        # Whatever is begun here is recorded: `tracing` has decided.
        self._provider = TracerProvider(
            sampler=ALWAYS_ON, resource=Resource({"service.name": service}), shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("readstate")

    def begin(self, name: str, caller: TraceContext | None, attributes: Mapping[str, str | int]) -> Span:
        """A span of a server, child of the caller's."""
        context = _PROPAGATOR.extract(dict(caller.metadata()), Context()) if caller else Context()
        return Span(self._tracer.start_span(name, context, trace.SpanKind.SERVER, dict(attributes)))

    def close(self) -> None:
        """Send what is left, and end the thread. Blocks."""
        self._provider.shutdown()
