"""grpc.health.v1. The server's readiness tells it the status.

Why not the servicer of grpcio-health-checking: its `Watch` writes while it holds a lock, and a new status needs the
same lock. So one client that does not read would stop every status, and the end of the server too. Anybody may be that
client, because health asks for no token.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import grpc
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse

from readstate.errors import Overloaded
from readstate.rpc import health_proto
from readstate.rpc.adapter import Registrar
from readstate.rpc.call import Context

MOST_WATCHES: Final = 10_000
"""Open streams of `Watch`. Anybody may open one. A client that balances its calls by health opens one for each
connection, and uses no connection without it. So the bound is far above the number of connections that a server has.
docs/decisions/0018-floods.md says what they cost."""

_UNKNOWN: Final = HealthCheckResponse(status=HealthCheckResponse.SERVICE_UNKNOWN)


class HealthService(health_pb2_grpc.HealthServicer):
    """The status of the server (`""`) and of its services. They all have the same one."""

    def __init__(self, services: Sequence[str]) -> None:
        self._services = ("", *services)
        self._status = HealthCheckResponse(status=HealthCheckResponse.NOT_SERVING)
        self._changed = asyncio.Event()
        self._watches = 0

    async def report(self, ready: bool) -> None:
        """Set the status that `Check` and `Watch` tell. Does not wait for any client."""
        status = HealthCheckResponse.SERVING if ready else HealthCheckResponse.NOT_SERVING
        self._status = HealthCheckResponse(status=status)
        self._changed.set()
        self._changed = asyncio.Event()

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Context) -> HealthCheckResponse:
        if request.service not in self._services:
            await context.abort(StatusCode.NOT_FOUND, "unknown service")
        return self._status

    async def List(self, _: Any, __: Context) -> Any:
        """The status of each service, by name."""
        response = health_proto.HealthListResponse()
        for service in self._services:
            response.statuses[service].status = self._status.status
        return response

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Context) -> None:
        """Raises Overloaded: there are `MOST_WATCHES` open streams."""
        if self._watches >= MOST_WATCHES:
            raise Overloaded
        self._watches += 1
        try:
            await self._watch(request, context)
        finally:
            self._watches -= 1

    async def _watch(self, request: health_pb2.HealthCheckRequest, context: Context) -> None:
        told = None
        while True:
            changed = self._changed
            status = self._status if request.service in self._services else _UNKNOWN
            if status != told:
                await context.write(status)
                told = status
            await changed.wait()


def register_health(registrar: Registrar, health: HealthService) -> None:
    """Serve it. The generated code knows every method but `List`."""
    health_pb2_grpc.add_HealthServicer_to_server(health, registrar)  # type: ignore[arg-type]  # takes its place
    handler = grpc.unary_unary_rpc_method_handler(
        health.List,
        request_deserializer=health_proto.HealthListRequest.FromString,
        response_serializer=health_proto.HealthListResponse.SerializeToString,
    )
    registrar.add_registered_method_handlers(health_proto.SERVICE, {"List": handler})
