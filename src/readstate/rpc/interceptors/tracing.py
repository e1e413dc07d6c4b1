"""A span for each call that is traced. Names and attributes are those of OpenTelemetry's conventions for gRPC."""

from typing import Any

import grpc

from readstate.rpc.call import Call, Handler, Interceptor
from readstate.telemetry.tracing import Tracing


def traced(tracing: Tracing) -> Interceptor:
    """Goes around the access log, which tells the call's code."""

    async def interceptor(call_next: Handler, request: Any, call: Call) -> Any:
        if not tracing.chooses(call.trace):
            return await call_next(request, call)
        name = call.method.path.strip("/")
        service, _, method = name.partition("/")
        attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method}
        span = tracing.begin(name, call.trace, attributes)
        call.trace = span.context
        try:
            return await call_next(request, call)
        finally:
            failure = None if call.code is grpc.StatusCode.OK else call.code.name
            span.end({"rpc.grpc.status_code": call.code.value[0]}, failure)

    return interceptor
