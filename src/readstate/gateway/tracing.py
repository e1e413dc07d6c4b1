"""A span for each request that is traced. Names and attributes are those of OpenTelemetry's conventions for HTTP."""

from typing import TYPE_CHECKING

from readstate.gateway.request import Request
from readstate.telemetry.logs import printable
from readstate.telemetry.trace_context import TraceContext
from readstate.telemetry.tracing import Tracing

if TYPE_CHECKING:
    from readstate.telemetry.spans import Span


def begin(tracing: Tracing, request: Request) -> "Span | None":
    """The request's span, if it is traced. From now on its trace is what the server gets."""
    if not tracing.chooses(request.trace):
        # The server would decide anew about a call without a trace.
        request.trace = request.trace or TraceContext.unsampled()
        return None
    attributes = {
        "http.request.method": request.method,
        # Without the query, which may hold a ticket.
        "url.path": printable(request.path),
        "url.scheme": request.scope["scheme"],
    }
    span = tracing.begin(request.method, request.trace, attributes)
    request.trace = span.context
    return span


def end(span: "Span", request: Request, status: int) -> None:
    """Its name has the route, which was not known before."""
    attributes: dict[str, str | int] = {"http.response.status_code": status}
    if request.route is not None:
        span.rename(f"{request.method} {request.route}")
        attributes["http.route"] = request.route
    span.end(attributes, str(status) if status >= 500 else None)
