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
    """Tell the caller what went wrong, and nothing internal. grpc itself would send the text of an exception."""
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
        # A library has cancelled something of its own. If this left the handler, the client would wait.
        await _abort(call, Unavailable())
    except grpc.aio.InternalError:
        # grpc raises this when it answers a client that has gone. It is no fault of ours, and nobody is left to tell.
        raise asyncio.CancelledError from None
    except Exception as error:
        log.error("internal error", request_id=call.request_id, method=call.method.name, exc_info=error)
        await _abort(call, Internal())


async def _abort(call: Call, error: ReadStateError) -> None:
    status = status_of(error, call.request_id)
    await call.context.abort(status.code, status.message, status.trailing_metadata)
