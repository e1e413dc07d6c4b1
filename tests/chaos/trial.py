"""What every row works with: servers of one engine, the recorded load on them, and the verdict."""

from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TypeVar

import asyncpg
import grpc

from readstate.client import ReadState
from readstate.identity import tokens
from tests.chaos import tally
from tests.chaos.checker import faults, summary
from tests.chaos.client import SingleAttempts, plain_channel
from tests.chaos.history import History
from tests.chaos.load import PAUSE, SHORT_PAUSE, ClientOf, Load
from tests.chaos.report import Report
from tests.chaos.server import Server, serving
from tests.chaos.stored import read_back
from tests.chaos.world import World, two_organizations
from tests.conftest import settings_on
from tests.rpc.test_order import METHODS

SCOPES = " ".join(sorted({needs.scope for needs in METHODS.values() if needs.scope}))
"""Each that a method needs."""

T = TypeVar("T")


class Trial:
    """One run of a row."""

    def __init__(self, engine: str, report: Report, stack: AsyncExitStack, *, full: bool) -> None:
        self.engine = engine
        self.report = report
        self.world: World = two_organizations()
        self.history = History()
        self._full = full
        self._stack = stack

    def choose(self, *, short: T, full: T) -> T:
        """The number for the version of the row that runs."""
        return full if self._full else short

    async def serve(self, database_url: str, **variables: str) -> Server:
        """Start a server, to be stopped at the end. It logs warnings only."""
        variables = {"READSTATE_ENGINE": self.engine, "READSTATE_LOG_LEVEL": "warning"} | variables
        return await self.enter(serving(database_url, **variables))

    def token(self, user: str, *, scope: str = SCOPES) -> str:
        """A bearer token that every server of the row takes."""
        return tokens.sign(settings_on(""), user=user, scope=scope, org=None)

    async def enter(self, context: AbstractAsyncContextManager[T]) -> T:
        """Enter it, to be left at the end."""
        return await self._stack.enter_async_context(context)

    async def client(self, user: str, port: int) -> ReadState:
        """Our client, which repeats what is safe to repeat."""
        return await self.client_of(user, f"127.0.0.1:{port}")

    async def client_of(self, user: str, target: str) -> ReadState:
        """The same, for a target that may name several servers."""
        return await self.enter(ReadState(target, token=self.token(user)))

    async def channel(self, port: int) -> grpc.aio.Channel:
        """A channel that repeats nothing."""
        return await self.enter(plain_channel(port))

    async def single_attempts(self, port: int) -> ClientOf:
        """Clients that make each call once."""
        channel = await self.channel(port)
        return lambda user: SingleAttempts(channel, self.token(user))

    async def make_world(self, port: int) -> None:
        """Record the organisations, members and events that the load needs."""
        await self.world.make(await self.client("producer", port))

    @asynccontextmanager
    async def load(self, client_of: ClientOf) -> AsyncIterator[History]:
        """The recorded load around what happens inside."""
        pause = self.choose(short=SHORT_PAUSE, full=PAUSE)
        async with Load(self.world, client_of, self.history, pause=pause).running():
            yield self.history

    async def judge(self, database_url: str, *, unrecorded: Collection[str] = ()) -> None:
        """Hold what the database has against the history. The calls of members who are `unrecorded` are not in it."""
        connection = await asyncpg.connect(database_url)
        try:
            found = faults(self.history, await read_back(connection), self.world, unrecorded=unrecorded)
        finally:
            await connection.close()
        self.report.note(tally.endings(self.history))
        self.report.expect(not found, summary(found))
        slowest = tally.longest(self.history)
        self.report.expect(slowest <= tally.LONGEST_CALL, f"a call took {slowest:.1f} s")
