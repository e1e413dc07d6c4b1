"""What happens around every call, one concern each; `app.py` lists them in order.

Each is a function `(call_next, request, call)`. `request` is still bytes here: nobody who is not authenticated reaches
the parser.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, TypeAlias

import grpc
import structlog

from readstate import deadline
from readstate.auth import TokenVerifier
from readstate.directory import Directory
from readstate.errors import (
    Internal,
    InvalidToken,
    MissingScope,
    MissingToken,
    NoOrganization,
    OutOfTime,
    Overloaded,
    ReadStateError,
    Unavailable,
)
from readstate.rpc.caller import Call
from readstate.rpc.status import code_of, status_of
from readstate.telemetry.logs import printable
from readstate.telemetry.metrics import Metrics

Handler: TypeAlias = Callable[[Any, Call], Awaitable[Any]]
Interceptor: TypeAlias = Callable[[Handler, Any, Call], Awaitable[Any]]

log = structlog.get_logger("readstate.rpc")


async def errors(call_next: Handler, request: Any, call: Call) -> Any:
    """Tell the caller what went wrong, and nothing of the inside: grpc would send an exception's text."""
    try:
        return await call_next(request, call)
    except grpc.aio.AbortError:
        raise
    except ReadStateError as error:
        if isinstance(error, Internal):
            log.error("internal error", request_id=call.request_id, method=call.method.name, exc_info=error)
        await _abort(call, error)
    except asyncio.CancelledError:
        if _cancelled_from_outside():
            raise
        # A library cancelled something of its own. Let out, it would leave the client waiting.
        await _abort(call, Unavailable())
    except grpc.aio.InternalError:
        # What grpc raises where an answer meets a client that has gone: no error of ours, and nobody to be told.
        raise asyncio.CancelledError from None
    except Exception as error:
        log.error("internal error", request_id=call.request_id, method=call.method.name, exc_info=error)
        await _abort(call, Internal())


def current_task(loop: asyncio.AbstractEventLoop | None = None) -> "asyncio.Task[Any]":
    """The task of the call being served."""
    task = asyncio.current_task(loop)
    assert task is not None, "a coroutine that runs is in a task"  # noqa: S101
    return task


def _cancelled_from_outside() -> bool:
    return current_task().cancelling() > 0


async def _abort(call: Call, error: ReadStateError) -> None:
    status = status_of(error, call.request_id)
    await call.context.abort(status.code, status.details, status.trailing_metadata)


def access_log(metrics: Metrics) -> Interceptor:
    """One line and one observation for each call."""
    # Looked up once: both cost more than what they guard.
    count, latency = cache(metrics.calls.labels), cache(metrics.latency.labels)
    written = log.is_enabled_for(logging.INFO)

    async def interceptor(call_next: Handler, request: Any, call: Call) -> Any:
        started = time.perf_counter()
        code, reason = grpc.StatusCode.OK, None
        try:
            return await call_next(request, call)
        except grpc.aio.AbortError:
            code = call.context.code()
            raise
        except asyncio.CancelledError:
            code = grpc.StatusCode.CANCELLED if _cancelled_from_outside() else grpc.StatusCode.UNAVAILABLE
            raise
        except grpc.aio.InternalError:
            code = grpc.StatusCode.CANCELLED
            raise
        except ReadStateError as error:
            code, reason = code_of(error), error.reason
            raise
        except Exception:
            code = grpc.StatusCode.INTERNAL
            raise
        finally:
            seconds = time.perf_counter() - started
            count(call.method.name, code.name).inc()
            latency(call.method.name).observe(seconds)
            if written:
                _log(call, code, reason, seconds)

    return interceptor


def _log(call: Call, code: grpc.StatusCode, reason: str | None, seconds: float) -> None:
    claims, member = call.claims, call.member
    log.info(
        "call",
        request_id=call.request_id,
        method=call.method.name,
        code=code.name,
        reason=reason,
        ms=round(seconds * 1000, 2),
        user=printable(claims.user_id) if claims else None,
        org_key=member.org_key if member else None,
        **call.counts,
    )


class Limiter:
    """Bounds the calls served at once. Health is exempt: an overloaded server is alive."""

    def __init__(self, limit: int, metrics: Metrics) -> None:
        self._limit = limit
        self._in_flight = 0
        self._metrics = metrics
        metrics.in_flight.set_function(lambda: self._in_flight)

    async def __call__(self, call_next: Handler, request: Any, call: Call) -> Any:
        """Raises Overloaded."""
        if not call.method.access.token:
            return await call_next(request, call)
        if self._in_flight >= self._limit:
            self._metrics.shed.inc()
            raise Overloaded
        self._in_flight += 1
        try:
            return await call_next(request, call)
        finally:
            self._in_flight -= 1


def bounded_time(loop: asyncio.AbstractEventLoop) -> Interceptor:
    """End each call by its deadline: the client's, at most `deadline.LONGEST`. Raises OutOfTime.

    Only the streams that anybody may open, as health's, last as long as they last: any other takes one of the limiter's
    places.
    """

    async def interceptor(call_next: Handler, request: Any, call: Call) -> Any:
        if call.method.streaming and not call.method.access.token:
            return await call_next(request, call)
        # None or, with the native engine, a very large number where the client names no deadline.
        client_seconds: float | None = call.context.time_remaining()
        seconds = deadline.LONGEST if client_seconds is None else min(client_seconds, deadline.LONGEST)
        deadline.start(seconds)
        # What asyncio.timeout does, at a third of its cost: it took 9 % of the loop's time at 8,000 calls a second. To
        # find the loop again would be 2 %.
        task = current_task(loop)
        timer = loop.call_later(seconds, _expire, task, call)
        try:
            return await call_next(request, call)
        except asyncio.CancelledError:
            # Cancelled once, by the timer, and not by the client as well.
            if call.expired and task.uncancel() == 0:
                raise OutOfTime from None
            raise
        finally:
            timer.cancel()

    return interceptor


def _expire(task: "asyncio.Task[Any]", call: Call) -> None:
    call.expired = True
    task.cancel()


def authenticate(verifier: TokenVerifier, directory: Directory) -> Interceptor:
    """Settle who is calling and whether they may, in the order of the contract, before the request is decoded."""

    async def interceptor(call_next: Handler, request: Any, call: Call) -> Any:
        access = call.method.access
        if access.token:
            call.claims = claims = await verifier.verify(_authorization(call))
            if access.member:
                call.member = directory.cached(claims) or await directory.find(claims)
                if access.organization and call.member.org_key is None:
                    raise NoOrganization
            if access.scope is not None and access.scope not in claims.scopes:
                raise MissingScope(access.scope)
        return await call_next(request, call)

    return interceptor


def _authorization(call: Call) -> str:
    # `dict(metadata)` would keep the last of two values, and a proxy in front may have checked the first.
    if len(call.authorizations) != 1:
        raise MissingToken
    (value,) = call.authorizations
    if isinstance(value, bytes):
        raise InvalidToken
    return value
