"""What a client may take of a listener: connections, and time to send and to read."""

import asyncio
import time
from contextlib import suppress
from functools import partial

import pytest
from starlette.types import Receive, Scope, Send

from tests.gateway.wire import PATIENCE, Wire, head, read_reply
from tests.http.serving import GET, Stream, connected, connections_of, nothing_here, serving
from tests.waiting import until, until_answered

POST = head("POST", "/x", [("content-length", "9")])
LARGE = 8 << 20
"""Bytes that no pair of socket buffers holds."""


async def large(scope: Scope, receive: Receive, send: Send) -> None:
    """One large answer, handed over at once."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % LARGE)]})
    await send({"type": "http.response.body", "body": b"x" * LARGE})


# ── Connections ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_connection_too_many_is_refused_at_once_and_the_others_go_on() -> None:
    async with serving(nothing_here, connections=2) as port, Wire(port) as first, Wire(port) as second:
        for wire in (first, second):
            assert (await wire.send(GET)).status == 404
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            async with asyncio.timeout(PATIENCE):
                reply = await read_reply(reader)
                assert await reader.read() == b""
            writer.close()
            assert (reply.status, reply.body) == (503, b'{"error":"Too many connections"}')
        for wire in (first, second):
            assert (await wire.send(GET)).status == 404


async def test_a_client_that_leaves_makes_room() -> None:
    async def is_served(wire: Wire) -> bool:
        with suppress(ConnectionError, asyncio.IncompleteReadError):  # the refusal may be lost in a reset
            if (await wire.send(GET)).status == 404:
                return True
        wire.close()
        return False

    async with serving(nothing_here, connections=1) as port:
        for _ in range(3):
            async with Wire(port) as inside, Wire(port) as outside:
                await until_answered(partial(is_served, inside))
                assert not await is_served(outside)


# ── Time to send ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("begun", [b"", b"POST / HT", POST + b"{"])
async def test_a_request_that_does_not_arrive_is_given_up(begun: bytes) -> None:
    async with serving(nothing_here, arrival_seconds=0.5) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(begun)
        async with asyncio.timeout(PATIENCE):
            while await reader.read(4096):
                pass
        writer.close()


async def test_a_stream_ends_too_if_its_request_does_not_arrive() -> None:
    stream = Stream()
    async with serving(stream, arrival_seconds=0.5) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(POST)
        async with asyncio.timeout(PATIENCE):
            while await reader.read(1 << 16):
                pass
        writer.close()
        assert stream.ended.is_set()


async def test_an_idle_connection_is_kept() -> None:
    async with serving(nothing_here, arrival_seconds=0.2) as port, Wire(port) as wire:
        await wire.send(GET)
        await asyncio.sleep(1.5)
        assert (await wire.send(GET)).status == 404


async def test_a_refused_client_that_does_not_leave_is_left() -> None:
    async with serving(nothing_here, arrival_seconds=0.2) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"no request\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
            with suppress(ConnectionError):
                while True:
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0.01)
        writer.close()


async def test_an_empty_line_keeps_no_connection() -> None:
    async with serving(nothing_here, idle_seconds=1) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        assert (await read_reply(reader)).status == 404
        writer.write(b"\r\n")
        async with asyncio.timeout(PATIENCE):
            assert await reader.read() == b""
        writer.close()


# ── Time to read ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("app", [large, Stream()], ids=["large", "stream"])
async def test_a_client_that_does_not_read_is_closed(app: Stream) -> None:
    async with serving(app, unread_seconds=0.5) as port, serving(nothing_here) as other:
        client = await connected(port, receive_buffer=4096)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(client, GET)
        await until(lambda: connections_of(port) == 1)
        await until(lambda: connections_of(port) == 0)
        received = 0
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionError):
                while data := await loop.sock_recv(client, 1 << 20):
                    received += len(data)
        client.close()
        # What the kernels held still arrives, and then the connection ends in the middle of the answer.
        assert received < LARGE
        async with Wire(other) as wire:
            assert (await wire.send(GET)).status == 404


async def test_a_client_that_reads_slowly_is_served_to_the_end() -> None:
    async with serving(large, unread_seconds=3) as port:
        client = await connected(port, receive_buffer=65_536)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(client, GET)
        started, received = time.monotonic(), 0
        async with asyncio.timeout(60):
            while received < LARGE:
                data = await loop.sock_recv(client, 1 << 20)
                assert data, f"closed after {received} bytes"
                received += len(data)
                if time.monotonic() - started < 8:
                    await asyncio.sleep(0.3)
        client.close()
        assert time.monotonic() - started > 6
