"""grpc.health.v1, fed by the server's readiness."""

from collections.abc import Sequence

from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio


class HealthService(aio.HealthServicer):
    """The status of the server (`""`) and of each of its services, which is the same."""

    def __init__(self, services: Sequence[str]) -> None:
        super().__init__()
        self._services = ("", *services)

    async def report(self, ready: bool) -> None:
        """Tell who asks, and who watches."""
        status = health_pb2.HealthCheckResponse.SERVING if ready else health_pb2.HealthCheckResponse.NOT_SERVING
        for service in self._services:
            await self.set(service, status)
