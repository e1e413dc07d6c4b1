"""The ASGI app: what happens around every request, in order.

It is plain ASGI because every call goes through it. Starlette's own stack took 26 of the 150 µs of a request.
"""

import asyncio
import logging
import time
from functools import cache
from typing import Final

import grpc
import structlog
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from readstate.gateway import problems, tracing
from readstate.gateway.cors import Cors
from readstate.gateway.live.event_stream import EventStream
from readstate.gateway.problems import Problem
from readstate.gateway.request import ClientGone, Request, Routes
from readstate.gateway.routing import UNKNOWN, Router
from readstate.telemetry.logs import chosen, printable
from readstate.telemetry.metrics import GatewayMetrics
from readstate.telemetry.tracing import Tracing

log = structlog.get_logger("readstate.gateway")

CLIENT_GONE: Final = 499
"""What is counted and logged as the status of a request whose client did not wait for the answer, as nginx does."""


class GatewayApp:
    """Reads the request, finds its endpoint, and answers, also when the endpoint fails."""

    def __init__(
        self, routes: Routes, cors: Cors, metrics: GatewayMetrics, traces: Tracing | None, log_successes: float
    ) -> None:
        """`log_successes`: the part of the successful requests that have a line in the log, 0 to 1."""
        self._router = Router(routes)
        self._cors = cors
        # Looked up once: each look-up costs more than the work it is for.
        self._count, self._latency = cache(metrics.requests.labels), cache(metrics.latency.labels)
        self._traces = traces
        self._log_successes = log_successes
        self._log_written = log.is_enabled_for(logging.INFO)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request = Request(scope)
        span = tracing.begin(self._traces, request) if self._traces else None
        status, failure = CLIENT_GONE, None
        try:
            response, failure = await self._respond(request, receive)
            headers = [*response.raw_headers, (b"x-request-id", request.id.encode())]
            headers += self._cors.headers(request.headers)
            start = {"type": "http.response.start", "status": response.status_code, "headers": headers}
            if isinstance(response, EventStream):
                status = response.status_code  # a client that leaves a stream has its answer
                await _stream(response, request, start, send)
            else:
                await send(start)
                await send({"type": "http.response.body", "body": response.body})
                status = response.status_code
        except ClientGone:
            pass
        finally:
            self._observe(request, status, time.perf_counter() - started, failure)
            if span:
                tracing.end(span, request, status)

    async def _respond(self, request: Request, receive: Receive) -> tuple[Response, BaseException | None]:
        """The answer, and what a call upstream failed with."""
        try:
            await request.read(receive)
            return await self._answer(request), None
        except Problem as problem:
            return problems.render(problem, request.path), problem.__cause__
        except asyncio.CancelledError:
            # The client has gone, and sending will tell. Or this gateway leaves, and the grace is over.
            return problems.render(Problem(503), request.path), None
        except ClientGone:
            raise
        except Exception as error:
            log.error("internal error", request_id=request.id, exc_info=error)
            return problems.render(Problem(500), request.path), None

    async def _answer(self, request: Request) -> Response:
        endpoints = self._router.find(request)
        if endpoints is None:
            raise Problem(404)
        # uvicorn sends no body in answer to HEAD.
        endpoint = endpoints.get("GET" if request.method == "HEAD" else request.method)
        if endpoint is not None:
            return await endpoint(request)
        allowed = ", ".join([*endpoints, *(["HEAD"] if "GET" in endpoints else []), "OPTIONS"])
        if request.method != "OPTIONS":
            raise Problem(405, headers={"allow": allowed})
        response = Response(status_code=204, headers={"allow": allowed})
        response.raw_headers += self._cors.preflight(request.headers, allowed)
        return response

    def _observe(self, request: Request, status: int, seconds: float, failure: BaseException | None) -> None:
        self._count(request.method, request.route or UNKNOWN, str(status)).inc()
        self._latency(request.route or UNKNOWN).observe(seconds)
        if not self._log_written or (status < 400 and not chosen(request.id, self._log_successes)):
            return
        about = {"request_id": request.id, "trace_id": request.trace.trace_id if request.trace else None}
        line = about | {"method": request.method, "path": printable(request.path), "status": status}
        if isinstance(failure, grpc.aio.AioRpcError):
            # These are words of gRPC about an address, or words of the server, which are public.
            line |= {"code": failure.code().name, "details": printable(failure.details() or "")}
        log.info("request", **line, ms=round(seconds * 1000, 2))


async def _stream(response: EventStream, request: Request, start: Message, send: Send) -> None:
    try:
        await send(start)
        if request.method == "HEAD":
            await send({"type": "http.response.body", "body": b""})
        else:
            await response.send_events(send)
    finally:
        response.leave()
