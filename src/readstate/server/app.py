"""The composition root: builds every object of a server in order, and takes it apart again."""

import asyncio
import platform
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

import grpc
import structlog

from readstate.config import ServerSettings
from readstate.errors import ServerEnded
from readstate.http.admin import admin_app
from readstate.http.listener import listening
from readstate.identity.directory import ClaimsDirectory, DatabaseDirectory, Directory
from readstate.identity.organizations import OrganizationIds
from readstate.identity.signing_keys import KeySource, key_source
from readstate.identity.tickets import TICKET_SECONDS, Tickets
from readstate.identity.tokens import TokenVerifier
from readstate.rpc import health_proto, interceptors, server
from readstate.rpc.access import ACCESS, OPEN_REFLECTION
from readstate.rpc.adapter import Registrar
from readstate.rpc.directory.service import DirectoryService
from readstate.rpc.health import HealthService, register_health
from readstate.rpc.idempotency import Idempotency
from readstate.rpc.notifications.service import NotificationService
from readstate.rpc.reflection import register_reflection
from readstate.rpc.system_events.service import SystemEventService
from readstate.rpc.unread.hub import Hub
from readstate.rpc.unread.limit import StreamLimit
from readstate.rpc.unread.opening import Opening
from readstate.rpc.unread.service import UnreadService
from readstate.server import upkeep
from readstate.server.readiness import Readiness
from readstate.server.sweeper import sweeping
from readstate.store import pool
from readstate.store.erasure.store import ErasureStore
from readstate.store.events import EventStore
from readstate.store.idempotency import IdempotencyStore
from readstate.store.inbox.store import InboxStore
from readstate.store.marks.store import MarkStore
from readstate.store.members import MemberStore
from readstate.store.migrate import migrate
from readstate.store.notifications.store import NotificationStore
from readstate.store.pool import Database
from readstate.store.read_cursor.tidy import CursorTidier
from readstate.store.schema import require_usable
from readstate.store.tickets import TicketStore
from readstate.store.unread import UnreadStates
from readstate.telemetry.metrics import Metrics
from readstate.telemetry.tracing import tracing
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


@asynccontextmanager
async def running_server(settings: ServerSettings, *, open_reflection: bool = False) -> AsyncIterator[RunningServer]:
    """Migrate the database and listen. On leaving, drain.

    Raises:
        StartupError: the server cannot start. Names the setting that is wrong.
        ServerEnded: on leaving, if the gRPC server had ended before.
    """
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        keys = await stack.enter_async_context(key_source(settings))
        await _prepare_schema(settings)
        database = await stack.enter_async_context(pool.connect(settings, metrics.database))
        members, replies, marks = MemberStore(database), IdempotencyStore(database), MarkStore(database, metrics)
        directory = _directory(settings, members)
        health = HealthService(SERVICES)
        # A connection of its own: what callers do to the pool must not take the server out of rotation.
        probe = await stack.enter_async_context(pool.connect(settings.model_copy(update={"pool_size": 1})))
        readiness = Readiness(probe.ping, health.report)
        verifier = _verifier(settings, keys)
        _observe(metrics, settings, verifier, directory, database)
        metrics.ready.set_function(lambda: readiness.ready)
        from_claims = settings.directory == "claims"
        watching = await stack.enter_async_context(
            pool.connect(settings.model_copy(update={"pool_size": WATCHING_POOL}))
        )
        hub = Hub(UnreadStates(watching, organization_from_claims=from_claims))
        ticket_store = TicketStore(database, TICKET_SECONDS)
        tickets = Tickets(ticket_store, verifier, settings.token_leeway)
        org_ids = OrganizationIds(members)
        opening = Opening(tickets, directory, org_ids)

        limiter = interceptors.Limiter(settings.max_in_flight, metrics)
        traces = await stack.enter_async_context(tracing("readstate", settings.otlp_endpoint, settings.trace_ratio))
        traced = [interceptors.traced(traces)] if traces else []
        grpc_server = server.create(settings, limiter)
        registrar = Registrar(
            grpc_server,
            [
                interceptors.report_errors,
                *traced,
                interceptors.access_log(metrics, settings.log_successes),
                limiter,
                interceptors.bounded_time(asyncio.get_running_loop()),
                interceptors.authenticate(verifier),
                interceptors.Share(settings.max_in_flight, metrics),
                interceptors.authorize(directory),
            ],
            ACCESS | (OPEN_REFLECTION if open_reflection else {}),
            [
                interceptors.report_errors,
                *traced,
                interceptors.access_log(metrics, settings.log_successes),
                StreamLimit(settings.max_streams, limiter, metrics),
                interceptors.authenticate(opening),
                interceptors.authorize(opening),
            ],
        )
        events = EventStore(database)
        stack.push_async_callback(marks.drain)
        stack.push_async_callback(events.drain)
        idempotency = Idempotency(replies)
        _register(
            registrar,
            SystemEventService(
                marks,
                InboxStore(database, organization_from_claims=from_claims),
                events,
                org_ids,
                idempotency,
                hub,
                metrics,
            ),
            NotificationService(NotificationStore(database), directory, idempotency, hub),
            UnreadService(hub, opening, tickets, settings.token_leeway),
            DirectoryService(directory),
            health,
        )

        sweeps = members.sweep, replies.sweep, ticket_store.sweep, CursorTidier(database).sweep
        await stack.enter_async_context(sweeping(*sweeps))
        hourly = upkeep.pruning(settings, database), ErasureStore(database).sweep
        await stack.enter_async_context(sweeping(*hourly, every=upkeep.PRUNE_SECONDS))
        admin_port = await stack.enter_async_context(
            listening(admin_app(metrics, readiness.is_ready), settings.admin_listen, setting="READSTATE_ADMIN_LISTEN")
        )
        await stack.enter_async_context(hub.running())
        port = server.bind(grpc_server, settings)
        await stack.enter_async_context(readiness.watching())
        await grpc_server.start()
        ended = asyncio.create_task(grpc_server.wait_for_termination(), name="the gRPC server's end")
        stack.push_async_callback(_drain, settings, readiness, hub, grpc_server, registrar)
        log.info("listening", port=port, admin_port=admin_port)
        yield RunningServer(port, admin_port, metrics, ended)
        if ended.done():
            raise ServerEnded


async def _prepare_schema(settings: ServerSettings) -> None:
    url = settings.database_url.get_secret_value()
    if settings.migrate:
        await migrate(url)
    await require_usable(url)


def _verifier(settings: ServerSettings, keys: KeySource) -> TokenVerifier:
    return TokenVerifier(
        keys,
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        leeway=settings.token_leeway,
        org_claim=settings.token_org_claim,
    )


def _directory(settings: ServerSettings, members: MemberStore) -> Directory:
    if settings.directory == "database":
        return DatabaseDirectory(members)
    return ClaimsDirectory(members, start_read=settings.start_read)


def _observe(
    metrics: Metrics, settings: ServerSettings, verifier: TokenVerifier, directory: Directory, database: Database
) -> None:
    python = platform.python_version()
    metrics.build.info({"version": version("readstate"), "engine": settings.engine, "python": python})
    metrics.count_cache("token", lambda: verifier.cache_hits, lambda: verifier.cache_misses)
    metrics.count_cache("member", lambda: directory.look_ups[0], lambda: directory.look_ups[1])
    metrics.pool.labels("open").set_function(lambda: database.connections[0])
    metrics.pool.labels("idle").set_function(lambda: database.connections[1])


def _register(
    registrar: Registrar,
    events: SystemEventService,
    notifications: NotificationService,
    unread: UnreadService,
    directory: DirectoryService,
    health: HealthService,
) -> None:
    system_events_pb2_grpc.add_SystemEventServiceServicer_to_server(events, registrar)
    notifications_pb2_grpc.add_NotificationServiceServicer_to_server(notifications, registrar)
    unread_pb2_grpc.add_UnreadServiceServicer_to_server(unread, registrar)
    directory_pb2_grpc.add_DirectoryServiceServicer_to_server(directory, registrar)
    register_health(registrar, health)
    register_reflection(registrar, (*SERVICES, health_proto.SERVICE))
    registrar.refuse_unknown_methods()


async def _drain(
    settings: ServerSettings, readiness: Readiness, hub: Hub, grpc_server: grpc.aio.Server, registrar: Registrar
) -> None:
    log.info("draining")
    await readiness.drain()
    await asyncio.sleep(settings.drain_delay)
    await hub.drain()
    registrar.end_streams()
    await grpc_server.stop(settings.drain_grace)
    await registrar.idle(seconds=2)
    log.info("stopped")
