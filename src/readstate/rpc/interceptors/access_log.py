"""One log line and one observation for each call."""

import asyncio
import logging
import time
from functools import cache
from typing import Any

import grpc
import structlog

from readstate.errors import Overloaded, ReadStateError
from readstate.rpc.call import Call, Handler, Interceptor, cancelled_from_outside
from readstate.rpc.status import code_of
from readstate.telemetry.logs import chosen, printable
from readstate.telemetry.metrics import Metrics

log = structlog.get_logger("readstate.rpc")


def access_log(metrics: Metrics, successes: float) -> Interceptor:
    """One observation for each call, and one line for each failure and this part of the successes, 0 to 1."""
    # Looked up once: each look-up costs more than the work it is for.
    count, latency = cache(metrics.calls.labels), cache(metrics.latency.labels)
    written = {level: log.is_enabled_for(level) for level in (logging.DEBUG, logging.INFO)}

    async def interceptor(call_next: Handler, request: Any, call: Call) -> Any:
        started = time.perf_counter()
        code, reason = grpc.StatusCode.OK, None
        try:
            return await call_next(request, call)
        except grpc.aio.AbortError:
            code = call.context.code()
            raise
        except asyncio.CancelledError:
            code = grpc.StatusCode.CANCELLED if cancelled_from_outside() else grpc.StatusCode.UNAVAILABLE
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
            call.code = code
            seconds = time.perf_counter() - started
            count(call.method.name, code.name).inc()
            latency(call.method.name).observe(seconds)
            # Probes ask health every second, anybody may, and a flood of calls must be no flood of lines. Of calls that
            # are shed the limiter tells the number.
            quiet = not call.method.access.token or reason == Overloaded.reason
            level = logging.DEBUG if quiet else logging.INFO
            if written[level] and (code is not grpc.StatusCode.OK or chosen(call.request_id, successes)):
                _log(level, call, reason, seconds)

    return interceptor


def _log(level: int, call: Call, reason: str | None, seconds: float) -> None:
    claims, member = call.claims, call.member
    log.log(
        level,
        "call",
        request_id=call.request_id,
        trace_id=call.trace.trace_id if call.trace else None,
        method=call.method.name,
        code=call.code.name,
        reason=reason,
        ms=round(seconds * 1000, 2),
        user=printable(claims.user_id) if claims else None,
        org_key=member.org_key if member else None,
        **call.counts,
    )
