"""Callers of NotificationService: they see the trailing metadata and the bytes of an error, which a client hides."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
import pytest

from readstate.client import ReadState
from readstate.config import ServerSettings
from readstate.identity import tokens
from readstate.server.app import RunningServer
from readstate.store import pool
from readstate.store.members import MemberStore
from readstate.store.notifications.store import NotificationStore
from readstate.store.pool import Database
from readstate.v1 import notifications_pb2 as pb
from readstate.v1 import notifications_pb2_grpc, system_events_pb2_grpc

READ_AND_UPDATE = "messaging:read messaging:update"

CallerFor: TypeAlias = Callable[..., "Caller"]


@dataclass(frozen=True)
class Reply:
    message: Any
    replayed: bool


class Caller:
    """Somebody with a token. Names a method and fills in its request: `call("GetNotification", id="nf_…")`."""

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        self._stubs = (
            notifications_pb2_grpc.NotificationServiceStub(channel),
            system_events_pb2_grpc.SystemEventServiceStub(channel),
        )
        self._token = token

    async def reply(self, method: str, request: Any, *keys: str, timeout: float = 10) -> Reply:
        metadata = [("authorization", f"Bearer {self._token}"), ("x-request-id", "the-same")]
        metadata += [("idempotency-key", key) for key in keys]
        stub = next(getattr(stub, method) for stub in self._stubs if hasattr(stub, method))
        call = stub(request, metadata=metadata, timeout=timeout)
        message = await call
        return Reply(message, ("idempotent-replayed", "true") in list(await call.trailing_metadata() or ()))

    async def call(self, method: str, *, key: str | None = None, **fields: Any) -> Any:
        request = getattr(pb, f"{method}Request")(**fields)
        return (await self.reply(method, request, *([] if key is None else [key]))).message

    async def error(self, method: str, *keys: str, **fields: Any) -> grpc.aio.AioRpcError:
        request = getattr(pb, f"{method}Request")(**fields)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await self.reply(method, request, *keys)
        return raised.value

    async def notify(self, *user_ids: str, org_id: str = "acme", title: str = "Hello", **fields: Any) -> list[str]:
        """Creates, for a caller who may."""
        response = await self.call(
            "CreateNotifications", org_id=org_id, user_ids=user_ids, category="chat.message", title=title, **fields
        )
        return list(response.ids)


@pytest.fixture
async def caller_for(server: RunningServer, settings: ServerSettings) -> AsyncIterator[CallerFor]:
    async with AsyncExitStack() as stack:

        def caller_for(user: str, *, scope: str = READ_AND_UPDATE, org: str | None = None) -> Caller:
            channel = grpc.aio.insecure_channel(f"127.0.0.1:{server.port}")
            stack.push_async_callback(channel.close)
            return Caller(channel, tokens.sign(settings, user=user, scope=scope, org=org))

        yield caller_for


@pytest.fixture
async def messenger(caller_for: CallerFor) -> Caller:
    """An internal service that sends notifications."""
    return caller_for("messenger", scope="messaging:write system_events:write")


@pytest.fixture
async def members(producer: ReadState) -> None:
    await producer.upsert_members({"ada": "acme", "grace": "acme", "bob": "globex", "carol": None})


@pytest.fixture
async def ada(members: None, caller_for: CallerFor) -> Caller:
    return caller_for("ada", org="acme")


@pytest.fixture
async def grace(members: None, caller_for: CallerFor) -> Caller:
    return caller_for("grace", org="acme")


@pytest.fixture
async def bob(members: None, caller_for: CallerFor) -> Caller:
    return caller_for("bob", org="globex")


@pytest.fixture
async def carol(members: None, caller_for: CallerFor) -> Caller:
    """A member of no organisation."""
    return caller_for("carol")


@pytest.fixture
async def database(settings: ServerSettings) -> AsyncIterator[Database]:
    """The stores' way to the database, beside whatever server there is."""
    async with pool.connect(settings) as database:
        yield database


@pytest.fixture
def store(database: Database) -> NotificationStore:
    return NotificationStore(database)


@pytest.fixture
def member_store(database: Database) -> MemberStore:
    return MemberStore(database)
