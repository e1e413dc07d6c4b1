"""Tickets, which open one stream in place of a token."""

import hashlib
import time
from collections.abc import Callable
from typing import Any

import asyncpg
import grpc
import pytest
from grpc import StatusCode

from readstate.client import ReadState
from readstate.config import ServerSettings
from readstate.identity import tokens
from readstate.server.app import RunningServer
from readstate.store import pool
from readstate.store.tickets import TicketStore
from readstate.v1 import unread_pb2 as pb
from readstate.v1.unread_pb2_grpc import UnreadServiceStub
from tests.rpc.wire import failure
from tests.unread.conftest import Watch


async def issued(server: RunningServer, token: str) -> pb.IssueTicketResponse:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub: Any = UnreadServiceStub(channel)
        reply: pb.IssueTicketResponse = await stub.IssueTicket(
            pb.IssueTicketRequest(), metadata=(("authorization", f"Bearer {token}"),)
        )
        return reply


@pytest.fixture
def token(settings: ServerSettings) -> str:
    return tokens.sign(settings, user="ada", scope="messaging:read")


async def test_a_ticket_shows_what_its_token_would(
    ada: ReadState, server: RunningServer, other_server: RunningServer, token: str, watch: Watch
) -> None:
    ticket = await issued(other_server, token)
    assert 58 < ticket.expires_at.ToDatetime().timestamp() - time.time() + time.timezone <= 61
    watcher = watch(ticket=ticket.ticket)
    assert (await watcher.state(unread_count=50)).notifications == pb.UnreadNotifications()
    assert await watcher.fingerprint() == hashlib.sha256(token.encode()).hexdigest()
    await ada.mark_read([1])
    await watcher.state(unread_count=49)
    without_scope = watch("ada")
    assert not (await without_scope.state()).HasField("notifications")
    assert await without_scope.fingerprint() is None


async def test_a_ticket_opens_one_stream(demo_data: None, server: RunningServer, token: str, watch: Watch) -> None:
    ticket = (await issued(server, token)).ticket
    await watch(ticket=ticket).state()
    again = await watch(ticket=ticket).end()
    assert (again.code, again.reason) == (StatusCode.UNAUTHENTICATED, "TICKET_INVALID")


@pytest.mark.parametrize("ticket", ["x", "A" * 43, "A" * 44, ""])
async def test_what_is_no_ticket_opens_nothing(demo_data: None, watch: Watch, ticket: str) -> None:
    found = await watch(ticket=ticket or " ").end()
    assert (found.code, found.reason) == (StatusCode.UNAUTHENTICATED, "TICKET_INVALID")


async def test_a_ticket_is_good_for_a_minute(
    demo_data: None, server: RunningServer, token: str, database_url: str, watch: Watch
) -> None:
    young, old = (await issued(server, token)).ticket, (await issued(server, token)).ticket
    connection = await asyncpg.connect(database_url)
    for ticket, seconds in (young, 50), (old, 61):
        await connection.execute(
            "UPDATE watch_ticket SET issued_at = issued_at - make_interval(secs => $1) WHERE ticket_sha256 = $2",
            float(seconds),
            hashlib.sha256(ticket.encode()).digest(),
        )
    await connection.close()
    await watch(ticket=young).state()
    assert (await watch(ticket=old).end()).reason == "TICKET_INVALID"


async def test_a_stream_opened_with_a_ticket_ends_with_the_token(
    demo_data: None, server: RunningServer, settings: ServerSettings, watch: Watch
) -> None:
    ticket = (await issued(server, tokens.sign(settings, user="ada", expires_in=2))).ticket
    watcher = watch(ticket=ticket)
    await watcher.state()
    assert (await watcher.end()).reason == "TOKEN_EXPIRED"


async def test_a_ticket_of_a_removed_member_opens_nothing(
    demo_data: None, producer: ReadState, server: RunningServer, token: str, watch: Watch
) -> None:
    ticket = (await issued(server, token)).ticket
    await producer.remove_members(["ada"])
    assert (await watch(ticket=ticket).end()).reason == "USER_NOT_FOUND"


async def test_a_ticket_is_good_for_no_other_method(demo_data: None, server: RunningServer, token: str) -> None:
    ticket = (await issued(server, token)).ticket
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        for method in "UnreadService/IssueTicket", "SystemEventService/GetUnreadCount":
            call: Any = channel.unary_unary(f"/readstate.v1.{method}")
            found = await failure(call(b"", metadata=(("authorization", f"Ticket {ticket}"),)))
            assert (found.code, found.reason) == (StatusCode.UNAUTHENTICATED, "TOKEN_MISSING")


async def test_a_ticket_is_nowhere_but_with_who_asked_for_it(
    logged: Callable[[], str], demo_data: None, server: RunningServer, token: str, database_url: str, watch: Watch
) -> None:
    used, unused = (await issued(server, token)).ticket, (await issued(server, token)).ticket
    await watch(ticket=used).state()
    await watch(ticket=used).end()
    connection = await asyncpg.connect(database_url)
    stored = str(await connection.fetch("SELECT t::text FROM watch_ticket t"))
    await connection.close()
    for secret in used, unused, token:
        assert secret not in logged()
        assert secret not in stored
    assert hashlib.sha256(unused.encode()).hexdigest() in stored


async def test_tickets_that_nobody_used_are_swept(
    demo_data: None, server: RunningServer, settings: ServerSettings, token: str, database_url: str
) -> None:
    await issued(server, token)
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE watch_ticket SET issued_at = issued_at - interval '61 s'")
    await issued(server, token)
    async with pool.connect(settings) as database:
        await TicketStore(database, 60).sweep()
    assert await connection.fetchval("SELECT count(*) FROM watch_ticket") == 1
    await connection.close()
