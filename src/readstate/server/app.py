"""The composition root: builds every object of a server in order, and takes it apart again."""

import asyncio
import platform
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

import grpc
import structlog

from readstate.config import ServerSettings
from readstate.errors import ServerEnded
from readstate.http.admin import admin_app
from readstate.http.listener import listening
from readstate.identity.signing_keys import key_source
from readstate.rpc import health_proto, interceptors, server
from readstate.rpc.access import ACCESS, OPEN_REFLECTION
from readstate.rpc.adapter import Registrar
from readstate.rpc.call import Interceptor
from readstate.rpc.directory.service import DirectoryService
from readstate.rpc.health import HealthService, register_health
from readstate.rpc.idempotency import Idempotency
from readstate.rpc.notifications.service import NotificationService
from readstate.rpc.reflection import register_reflection
from readstate.rpc.system_events.service import SystemEventService
from readstate.rpc.unread.hub import Hub
from readstate.rpc.unread.limit import StreamLimit
from readstate.rpc.unread.service import UnreadService
from readstate.server import upkeep
from readstate.server.callers import Callers, callers, from_claims
from readstate.server.readiness import Readiness
from readstate.server.stores import Stores, stores_on
from readstate.server.sweeper import sweeping
from readstate.store import pool
from readstate.store.erasure.store import ErasureStore
from readstate.store.inbox.store import InboxStore
from readstate.store.migrate import migrate
from readstate.store.notifications.store import NotificationStore
from readstate.store.pool import Database
from readstate.store.read_cursor.tidy import CursorTidier
from readstate.store.schema import require_usable
from readstate.store.unread import UnreadStates
from readstate.telemetry.metrics import Metrics
from readstate.telemetry.tracing import Tracing, tracing
from readstate.v1 import (
    directory_pb2,
    directory_pb2_grpc,
    notifications_pb2,
    notifications_pb2_grpc,
    system_events_pb2,
    system_events_pb2_grpc,
    unread_pb2,
    unread_pb2_grpc,
)

SERVICES = (
    system_events_pb2.DESCRIPTOR.services_by_name["SystemEventService"].full_name,
    notifications_pb2.DESCRIPTOR.services_by_name["NotificationService"].full_name,
    unread_pb2.DESCRIPTOR.services_by_name["UnreadService"].full_name,
    directory_pb2.DESCRIPTOR.services_by_name["DirectoryService"].full_name,
)
WATCHING_POOL: Final = 3
"""Database connections with which watched members are asked for, one for each task of the hub."""

log = structlog.get_logger("readstate")


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that listens."""

    port: int
    admin_port: int
    metrics: Metrics
    ended: asyncio.Task[object]
    """Done when the gRPC server has ended, for whatever reason."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a server is built of, before anything listens."""

    stores: Stores
    readiness: Readiness
    hub: Hub
    grpc_server: grpc.aio.Server
    registrar: Registrar


@asynccontextmanager
async def running_server(settings: ServerSettings, *, open_reflection: bool = False) -> AsyncIterator[RunningServer]:
    """Migrate the database and listen. On leaving, drain.

    Raises:
        StartupError: the server cannot start. Names the setting that is wrong.
        ServerEnded: on leaving, if the gRPC server had ended before.
    """
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        parts = await _built(stack, settings, metrics, open_reflection=open_reflection)
        stack.push_async_callback(parts.stores.drain)
        await enter(_upkeep(settings, parts.stores))
        admin = admin_app(metrics, parts.readiness.is_ready)
        admin_port = await enter(listening(admin, settings.admin_listen, setting="READSTATE_ADMIN_LISTEN"))
        await enter(parts.hub.running())
        port = server.bind(parts.grpc_server, settings)
        await enter(parts.readiness.watching())
        await parts.grpc_server.start()
        ended = asyncio.create_task(parts.grpc_server.wait_for_termination(), name="the gRPC server's end")
        stack.push_async_callback(_drain, settings, parts)
        log.info("listening", port=port, admin_port=admin_port)
        yield RunningServer(port, admin_port, metrics, ended)
        if ended.done():
            raise ServerEnded


async def _built(stack: AsyncExitStack, settings: ServerSettings, metrics: Metrics, *, open_reflection: bool) -> _Parts:
    """Connect to what a server needs, and build it. `stack` takes apart what has to be."""
    enter = stack.enter_async_context
    keys = await enter(key_source(settings))
    await _prepare_schema(settings)
    stores = stores_on(await enter(pool.connect(settings, metrics.database)), metrics)
    # A connection of its own: what callers do to the pool must not take the server out of rotation.
    probe = await enter(_connections(settings, 1))
    watching = await enter(_connections(settings, WATCHING_POOL))
    traces = await enter(tracing("readstate", settings.otlp_endpoint, settings.trace_ratio))

    who = callers(settings, keys, stores)
    hub = Hub(UnreadStates(watching, organization_from_claims=from_claims(settings)))
    health = HealthService(SERVICES)
    readiness = Readiness(probe.ping, health.report)
    _observe(metrics, settings, who, stores.database, readiness)
    limiter = interceptors.Limiter(settings.max_in_flight, metrics)
    grpc_server = server.create(settings, limiter)
    calls, lasting = _interceptors(settings, metrics, traces, limiter, who)
    registrar = Registrar(grpc_server, calls, ACCESS | (OPEN_REFLECTION if open_reflection else {}), lasting)
    _register(registrar, settings, metrics, stores, who, hub, health)
    return _Parts(stores, readiness, hub, grpc_server, registrar)


def _connections(settings: ServerSettings, number: int) -> AbstractAsyncContextManager[Database]:
    """Connections that calls do not share."""
    return pool.connect(settings.model_copy(update={"pool_size": number}))


def _interceptors(
    settings: ServerSettings, metrics: Metrics, traces: Tracing | None, limiter: interceptors.Limiter, who: Callers
) -> tuple[list[Interceptor], list[Interceptor]]:
    """Of calls, and of the streams that last. Outermost first."""
    traced = [interceptors.traced(traces)] if traces else []
    calls: list[Interceptor] = [
        interceptors.report_errors,
        *traced,
        interceptors.access_log(metrics, settings.log_successes),
        limiter,
        interceptors.bounded_time(asyncio.get_running_loop()),
        interceptors.authenticate(who.verifier),
        interceptors.Share(settings.max_in_flight, metrics),
        interceptors.authorize(who.directory),
    ]
    lasting: list[Interceptor] = [
        interceptors.report_errors,
        *traced,
        interceptors.access_log(metrics, settings.log_successes),
        StreamLimit(settings.max_streams, limiter, metrics),
        interceptors.authenticate(who.opening),
        interceptors.authorize(who.opening),
    ]
    return calls, lasting


@asynccontextmanager
async def _upkeep(settings: ServerSettings, stores: Stores) -> AsyncIterator[None]:
    """What is deleted every minute, and every hour."""
    database = stores.database
    minutely = stores.members.sweep, stores.replies.sweep, stores.tickets.sweep, CursorTidier(database).sweep
    hourly = upkeep.pruning(settings, database), ErasureStore(database).sweep
    async with sweeping(*minutely), sweeping(*hourly, every=upkeep.PRUNE_SECONDS):
        yield


async def _prepare_schema(settings: ServerSettings) -> None:
    url = settings.database_url.get_secret_value()
    if settings.migrate:
        await migrate(url)
    await require_usable(url, settings.batch)


def _observe(
    metrics: Metrics, settings: ServerSettings, who: Callers, database: Database, readiness: Readiness
) -> None:
    python = platform.python_version()
    metrics.build.info({"version": version("readstate"), "engine": settings.engine, "python": python})
    metrics.count_cache("token", lambda: who.verifier.cache_hits, lambda: who.verifier.cache_misses)
    metrics.count_cache("member", lambda: who.directory.look_ups[0], lambda: who.directory.look_ups[1])
    metrics.pool.labels("open").set_function(lambda: database.connections[0])
    metrics.pool.labels("idle").set_function(lambda: database.connections[1])
    metrics.ready.set_function(lambda: readiness.ready)


def _register(
    registrar: Registrar,
    settings: ServerSettings,
    metrics: Metrics,
    stores: Stores,
    who: Callers,
    hub: Hub,
    health: HealthService,
) -> None:
    idempotency = Idempotency(stores.replies)
    inbox = InboxStore(stores.database, organization_from_claims=from_claims(settings))
    events = SystemEventService(stores.marks, inbox, stores.events, who.org_ids, idempotency, hub, metrics)
    notifications = NotificationService(NotificationStore(stores.database), who.directory, idempotency, hub)
    unread = UnreadService(hub, who.opening, who.tickets, settings.token_leeway)
    system_events_pb2_grpc.add_SystemEventServiceServicer_to_server(events, registrar)
    notifications_pb2_grpc.add_NotificationServiceServicer_to_server(notifications, registrar)
    unread_pb2_grpc.add_UnreadServiceServicer_to_server(unread, registrar)
    directory_pb2_grpc.add_DirectoryServiceServicer_to_server(DirectoryService(who.directory), registrar)
    register_health(registrar, health)
    register_reflection(registrar, (*SERVICES, health_proto.SERVICE))
    registrar.refuse_unknown_methods()


async def _drain(settings: ServerSettings, parts: _Parts) -> None:
    log.info("draining")
    await parts.readiness.drain()
    await asyncio.sleep(settings.drain_delay)
    await parts.hub.drain()
    parts.registrar.end_streams()
    await parts.grpc_server.stop(settings.drain_grace)
    await parts.registrar.idle(seconds=2)
    log.info("stopped")
