"""A browser's window: a reader of server-sent events."""

import asyncio
import json
import ssl
from contextlib import suppress
from typing import Any, Self

import httpx

from readstate.server.app import RunningServer

PATIENCE = 60.0
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Without certificates: a client of its own would load them all, which takes longer than all else that it does."""


class Window:
    """Opens the stream, and reads it all the time until it is closed."""

    def __init__(
        self,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        ticket: str | None = None,
        tls: ssl.SSLContext = NO_TLS,
        http2: bool = False,
    ) -> None:
        self.events: list[tuple[str, Any]] = []
        self.comments = 0
        self.retry: int | None = None
        self.cut_off = False
        """Whether the answer has ended where it should have gone on."""
        self.response: httpx.Response | None = None
        self._url = f"{url}/v1/unread/stream"
        self._headers = headers or {}
        self._params = {} if ticket is None else {"ticket": ticket}
        self._client: dict[str, Any] = {"verify": tls, "http1": not http2, "http2": http2}
        self._told = asyncio.Event()

    async def __aenter__(self) -> Self:
        opened = asyncio.Event()
        self._reading = asyncio.create_task(self._read(opened))
        async with asyncio.timeout(PATIENCE):
            await opened.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reading.cancel()
        with suppress(asyncio.CancelledError):
            await self._reading

    async def _read(self, opened: asyncio.Event) -> None:
        try:
            async with (
                httpx.AsyncClient(trust_env=False, timeout=60, **self._client) as client,
                client.stream("GET", self._url, headers=self._headers, params=self._params) as response,
            ):
                self.response = response
                if response.status_code != 200:
                    await response.aread()
                    return
                opened.set()
                name = ""
                async for line in response.aiter_lines():
                    field, _, value = line.partition(":")
                    value = value.removeprefix(" ")
                    match field:
                        case "event":
                            name = value
                        case "data":
                            self.events.append((name, json.loads(value)))
                        case "retry":
                            self.retry = int(value)
                        case "" if line:
                            self.comments += 1
                    self._told.set()
                    self._told = asyncio.Event()
        except httpx.RemoteProtocolError:
            self.cut_off = True
        finally:
            opened.set()
            self._told.set()

    @property
    def status(self) -> int:
        assert self.response is not None
        return self.response.status_code

    @property
    def states(self) -> list[Any]:
        return [data for name, data in self.events if name == "unread"]

    async def state(self, **fields: Any) -> Any:
        """The first state with these fields, past ones included."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for state in self.states:
                    if fields.items() <= state.items():
                        return state
                assert not self._reading.done(), (self.response, self.events)
                await self._told.wait()

    async def end(self) -> Any:
        """What the last event says, when the stream has ended."""
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait([self._reading])
        name, data = self.events[-1]
        assert name == "end"
        return data["error"]


def streams(server: RunningServer) -> float | None:
    """How many are open on the server, whoever has opened them."""
    return server.metrics.registry.get_sample_value("readstate_streams")
