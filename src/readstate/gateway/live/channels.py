"""Channels for streams alone: a thousand streams on a channel blocked the calls on it."""

from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any, Final

import grpc

from readstate.config import GatewaySettings
from readstate.gateway import upstream
from readstate.v1.unread_pb2_grpc import UnreadServiceStub

STREAMS_PER_CHANNEL: Final = 50
"""Half of what a server takes on one connection by default."""


class _Place:
    """A channel, and how many streams it carries."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.stub: Any = UnreadServiceStub(channel)
        self.taken = 0


class StreamChannels:
    """Opens another channel when all are full. `stack` closes them."""

    def __init__(self, settings: GatewaySettings, stack: AsyncExitStack) -> None:
        self._settings = settings
        self._stack = stack
        self._places: list[_Place] = []

    @contextmanager
    def taken(self) -> Iterator[Any]:
        """A stub whose channel has room for one more stream.

        Raises:
            StartupError: a file of the TLS settings cannot be read any more.
        """
        place = next((place for place in self._places if place.taken < STREAMS_PER_CHANNEL), None)
        if place is None:
            channel = upstream.open_channel(self._settings)
            self._stack.push_async_callback(channel.close)
            place = _Place(channel)
            self._places.append(place)
        place.taken += 1
        try:
            yield place.stub
        finally:
            place.taken -= 1
