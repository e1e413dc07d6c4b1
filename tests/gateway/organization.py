"""An organisation of a test's own, with what happens in it and whoever looks at that over REST."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx

from readstate.client import ReadState


class Organization:
    """Members `ada` and `grace`; nobody else records anything in it."""

    def __init__(self, producer: ReadState, rest: Callable[[str, str], httpx.AsyncClient]) -> None:
        self.org_id = uuid4().hex
        self._producer = producer
        self._rest = rest

    def user_id(self, name: str) -> str:
        return f"{name}-{self.org_id}"

    async def record(self, *events: dict[str, Any]) -> list[int]:
        """Records the events: `occurred_at` in ISO 8601, and of a type that is made up unless it says one."""
        return await self._producer.record_system_events(self.org_id, [_event(**event) for event in events])

    def member(self, name: str = "ada", scope: str = "") -> httpx.AsyncClient:
        """A client of HTTP with the token of a member."""
        return self._rest(self.user_id(name), scope)


def _event(*, occurred_at: str | None = None, type: str = "made.up", **fields: Any) -> dict[str, Any]:
    when = {} if occurred_at is None else {"occurred_at": datetime.fromisoformat(occurred_at)}
    return {"type": type, **fields, **when}


@asynccontextmanager
async def own_organization(
    port: int, gateway_url: str, bearer: Callable[..., dict[str, str]]
) -> AsyncIterator[Organization]:
    """A new organisation on the server at `port`."""
    token = bearer("producer", scope="system_events:write directory:write")["authorization"].removeprefix("Bearer ")
    clients: list[httpx.AsyncClient] = []

    def rest(user_id: str, scope: str) -> httpx.AsyncClient:
        headers = bearer(user_id, scope=scope)
        clients.append(httpx.AsyncClient(base_url=gateway_url, headers=headers, timeout=10, trust_env=False))
        return clients[-1]

    async with ReadState(f"127.0.0.1:{port}", token=token) as producer:
        found = Organization(producer, rest)
        await producer.upsert_members({found.user_id(name): found.org_id for name in ("ada", "grace")})
        yield found
    for client in clients:
        await client.aclose()
