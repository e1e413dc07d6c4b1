"""A client that opens streams of WatchUnread and has no room for what it is sent."""

import asyncio
from contextlib import suppress
from typing import Self

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes

PATH = "/readstate.v1.UnreadService/WatchUnread"


class UnreadClient:
    """One connection. Every stream of it has a window of no bytes."""

    def __init__(self, port: int, token: str, *, streams: int, path: str = PATH) -> None:
        self._port = port
        self._token = token
        self._streams = streams
        self._path = path

    async def __aenter__(self) -> Self:
        http2 = H2Connection(H2Configuration(header_encoding="utf-8"))
        http2.initiate_connection()
        http2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
        for number in range(self._streams):
            headers = [(":method", "POST"), (":scheme", "http"), (":path", self._path), (":authority", "localhost")]
            headers += [("content-type", "application/grpc"), ("te", "trailers")]
            headers += [("authorization", f"Bearer {self._token}")]
            http2.send_headers(2 * number + 1, headers)
            http2.send_data(2 * number + 1, bytes(5), end_stream=True)
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writer.write(http2.data_to_send())
        self._answering = asyncio.create_task(self._answer(http2))
        return self

    async def _answer(self, http2: H2Connection) -> None:
        """Answer pings and settings, and nothing else."""
        with suppress(ConnectionError):
            while received := await self._reader.read(65_536):
                http2.receive_data(received)
                self._writer.write(http2.data_to_send())

    async def __aexit__(self, *_: object) -> None:
        self._answering.cancel()
        self._writer.close()
