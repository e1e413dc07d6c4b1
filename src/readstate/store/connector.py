"""Opening connections: to the host that takes writes, where a URI names several.

The driver would wait for one host after the other, each as long as for the whole, and would begin with the first each
time. A primary that is frozen accepts connections and says nothing: no other host would ever be reached.
"""

import asyncio
from collections import deque
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from readstate import deadline
from readstate.store.hosts import Host, hosts_of

Opened: TypeAlias = "asyncpg.Connection[Any]"


class Connector:
    """Opens connections, and remembers which host was the last good one."""

    def __init__(self, url: str) -> None:
        """Connect to nothing yet.

        Raises:
            ValueError: the URI is wrong.
        """
        self._url = url
        self._hosts, target = hosts_of(url)
        self._target = None if target is None else SessionAttribute(target)
        self._order = list(self._hosts)
        self._leads_to: WeakKeyDictionary[Opened, Host] = WeakKeyDictionary()
        self.opened = 0
        """Connections opened so far."""

    @property
    def has_choice(self) -> bool:
        """Whether there is more than one host."""
        return len(self._hosts) > 1

    @property
    def last_good(self) -> Host:
        """Where the newest connection leads, or the first host where none has been opened."""
        return self._order[0]

    async def open(self, dsn: str | None = None, **options: Any) -> Opened:
        """A connection to the first host that will do. `options` are asyncpg's; its pool passes a `dsn` as well, which
        is not looked at.

        Raises:
            Exception: what the driver raised for the host whose answer tells most.
        """
        waiting = deque(self._order)
        attempts: dict[asyncio.Task[Opened], Host] = {}
        failures: list[BaseException] = []
        try:
            while waiting or attempts:
                if (next_host := waiting.popleft() if waiting else None) is not None:
                    attempts[asyncio.create_task(self._open(next_host, options))] = next_host
                head_start = deadline.HEAD_START_SECONDS if waiting else None
                done, _ = await asyncio.wait(attempts, timeout=head_start, return_when=asyncio.FIRST_COMPLETED)
                for attempt in done:
                    error = attempt.exception()
                    if error is None:
                        return self._chosen(attempt, attempts.pop(attempt))
                    failures.append(error)
                    self._put_last(attempts.pop(attempt))
                if not done and next_host is not None:
                    self._put_last(next_host)
        finally:
            for attempt in attempts:
                attempt.cancel()
                attempt.add_done_callback(_discard)
        raise max(failures, key=_says)

    async def _open(self, host: Host, options: dict[str, Any]) -> Opened:
        connection: Opened = await asyncpg.connect(
            self._url, host=host.name, port=host.port, target_session_attrs=self._target, **options
        )
        return connection

    def _chosen(self, attempt: asyncio.Task[Opened], host: Host) -> Opened:
        connection = attempt.result()
        self._leads_to[connection] = host
        self.opened += 1
        self._order.remove(host)
        self._order.insert(0, host)
        return connection

    def _put_last(self, host: Host) -> None:
        # The next connection begins elsewhere: its time may end before many silent hosts have had their head start.
        self._order.remove(host)
        self._order.append(host)

    def leads_to(self, connection: Opened) -> Host:
        """The host of an open connection."""
        return self._leads_to[connection]

    def leave(self, host: Host) -> None:
        """End every connection that leads to `host`, also those in use: whoever waits for an answer is told."""
        for connection, leads_to in list(self._leads_to.items()):
            if leads_to == host:
                connection.terminate()

    def position(self, host: Host) -> int:
        """The place of a host in the URI, from 1: logs must not show more of a URI."""
        return self._hosts.index(host) + 1


def _discard(attempt: asyncio.Task[Opened]) -> None:
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().terminate()


def _says(error: BaseException) -> int:
    """How much a failure tells: that a server refuses is more than that one is silent."""
    kinds = (asyncpg.PostgresError, asyncpg.TargetServerAttributeNotMatched)
    return sum(isinstance(error, kind) for kind in kinds)
