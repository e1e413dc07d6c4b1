"""The outermost interceptor: every failure becomes a status."""

import asyncio
from typing import Any

import grpc
import structlog

from readstate.errors import Internal, ReadStateError, Unavailable
from readstate.rpc.call import Call, Handler, cancelled_from_outside
from readstate.rpc.status import status_of

log = structlog.get_logger("readstate.rpc")


async def report_errors(call_next: Handler, request: Any, call: Call) -> Any:
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
        if cancelled_from_outside():
            raise
        # A library cancelled something of its own. Let out, it would leave the client waiting.
        await _abort(call, Unavailable())
    except grpc.aio.InternalError:
        # What grpc raises where an answer meets a client that has gone: no error of ours, and nobody to be told.
        raise asyncio.CancelledError from None
    except Exception as error:
        log.error("internal error", request_id=call.request_id, method=call.method.name, exc_info=error)
        await _abort(call, Internal())


async def _abort(call: Call, error: ReadStateError) -> None:
    status = status_of(error, call.request_id)
    await call.context.abort(status.code, status.details, status.trailing_metadata)
