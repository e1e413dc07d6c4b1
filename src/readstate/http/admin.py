"""The admin listener: metrics for Prometheus, liveness and readiness for the platform."""

from collections.abc import Awaitable, Callable

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from readstate.telemetry.metrics import ProcessMetrics


def admin_app(metrics: ProcessMetrics, is_ready: Callable[[], Awaitable[bool]]) -> Starlette:
    """`/livez` says that the process runs, and never asks anybody; `/readyz` whether to send it calls."""

    async def livez(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        return PlainTextResponse("ok\n") if await is_ready() else PlainTextResponse("not ready\n", status_code=503)

    async def prometheus(_: Request) -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", prometheus)])
