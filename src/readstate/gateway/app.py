"""The composition root of a gateway."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from math import ceil

import structlog

from readstate.config import GatewaySettings
from readstate.gateway import docs, event_query, inbox, messaging, system_events, upstream
from readstate.gateway.asgi import GatewayApp
from readstate.gateway.cors import Cors
from readstate.gateway.live import routes as live
from readstate.gateway.live.channels import StreamChannels
from readstate.gateway.live.shared import SharedStreams
from readstate.gateway.request import Routes
from readstate.gateway.upstream import Upstream
from readstate.http.admin import admin_app
from readstate.http.limits import Limits
from readstate.http.listener import listening
from readstate.telemetry.metrics import GatewayMetrics
from readstate.telemetry.tracing import tracing

log = structlog.get_logger("readstate.gateway")


def no_routes(_: Upstream) -> Routes:
    return {}


@asynccontextmanager
async def running_gateway(
    settings: GatewaySettings,
    further: Callable[[Upstream], Routes] = no_routes,
    *,
    pages_on_localhost: bool = False,
) -> AsyncIterator[tuple[int, int]]:
    """Listen, even if the server is not there yet. On leaving, drain. Yields the port and the admin port.

    `further` makes routes beside those of the API. `pages_on_localhost` lets pages of `http://localhost` call, on every
    port. Both are for development alone.

    Raises:
        StartupError: a port cannot be bound, a file of the TLS settings cannot be read, or OpenTelemetry is missing.
    """
    metrics = GatewayMetrics()
    leaving = False
    async with AsyncExitStack() as stack:
        traces = await stack.enter_async_context(
            tracing("readstate-gateway", settings.otlp_endpoint, settings.trace_ratio)
        )
        server = await stack.enter_async_context(upstream.connected(settings))
        # Closed after the listener, whenever they were opened.
        streams = SharedStreams(StreamChannels(settings, await stack.enter_async_context(AsyncExitStack())))

        async def is_ready() -> bool:
            return not leaving and await server.is_serving()

        admin = admin_app(metrics, is_ready)
        admin_port = await stack.enter_async_context(
            listening(admin, settings.gateway_admin_listen, setting="READSTATE_GATEWAY_ADMIN_LISTEN")
        )
        asgi = GatewayApp(
            {
                **system_events.routes(server),
                **event_query.routes(server),
                **inbox.routes(server),
                **messaging.routes(server),
                **live.routes(server, streams),
                **docs.routes(),
                **further(server),
            },
            Cors(settings.cors_origins, localhost=pages_on_localhost),
            metrics,
            traces,
            settings.log_successes,
        )
        grace = ceil(settings.drain_grace)
        limits = Limits(connections=settings.gateway_max_connections)
        port = await stack.enter_async_context(
            listening(asgi, settings.gateway_listen, setting="READSTATE_GATEWAY_LISTEN", grace=grace, limits=limits)
        )
        log.info("gateway listening", port=port, admin_port=admin_port, upstream=settings.upstream)
        try:
            yield port, admin_port
        finally:
            # Load balancers learn that this gateway leaves before it stops to listen.
            leaving = True
            log.info("gateway draining")
            await asyncio.sleep(settings.drain_delay)
            streams.drain()
