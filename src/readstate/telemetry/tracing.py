"""Traces, for whoever installs the extra `otel` and sets READSTATE_OTLP_ENDPOINT: which calls are traced.

That is decided before OpenTelemetry hears of a call. Its own sampler is asked while a span is being made, which costs
most of what the span does.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from readstate.errors import StartupError
from readstate.telemetry.trace_context import TraceContext

if TYPE_CHECKING:
    from readstate.telemetry.spans import Span, Spans


class Tracing:
    """Begins the spans of the calls that are traced."""

    def __init__(self, spans: "Spans", ratio: float) -> None:
        self._spans = spans
        self._ratio = ratio

    def chooses(self, caller: TraceContext | None) -> bool:
        """Whether a call is traced. If the caller is in a trace, it has decided; else it is this part of all calls."""
        return random.random() < self._ratio if caller is None else caller.sampled  # noqa: S311

    def begin(self, name: str, caller: TraceContext | None, attributes: Mapping[str, str | int]) -> "Span":
        """The span of a call, child of the caller's."""
        return self._spans.begin(name, caller, attributes)


@asynccontextmanager
async def tracing(service: str, endpoint: str | None, ratio: float) -> AsyncIterator[Tracing | None]:
    """None without an endpoint. On leaving, what has not been sent is sent.

    Raises:
        StartupError: OpenTelemetry is not installed.
    """
    if endpoint is None:
        yield None
        return
    try:
        from readstate.telemetry.spans import Spans
    except ImportError as error:
        raise StartupError("READSTATE_OTLP_ENDPOINT needs pip install 'readstate[otel]'") from error
    spans = Spans(service, endpoint)
    try:
        yield Tracing(spans, ratio)
    finally:
        await asyncio.to_thread(spans.close)
