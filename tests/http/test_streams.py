"""An app that streams waits for its client, and ends with its client."""

import asyncio
import socket
import struct

import pytest
from starlette.types import Receive, Scope, Send

from readstate.http.protocol import CONTINUE
from tests.gateway.wire import PATIENCE
from tests.http.serving import GET, Stream, connected, connections_of, serving
from tests.waiting import until

MOST_HELD = 16 << 20
"""Bytes: more than the socket buffers of both sides and one buffer of ours hold together."""


async def still(stream: Stream) -> int:
    """Wait until the app sends no more; returns how much it has sent."""
    sent = -1
    async with asyncio.timeout(PATIENCE):
        while sent != stream.sent or not sent:
            sent = stream.sent
            await asyncio.sleep(0.3)
    return sent


async def read(client: socket.socket, size: int) -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(PATIENCE):
        while size > 0:
            data = await loop.sock_recv(client, min(size, 1 << 20))
            assert data
            size -= len(data)


async def test_the_app_waits_while_its_client_does_not_read_and_goes_on_when_it_does() -> None:
    stream = Stream()
    async with serving(stream) as port:
        client = await connected(port, receive_buffer=65_536)
        await asyncio.get_running_loop().sock_sendall(client, GET)
        waiting_at = await still(stream)
        assert waiting_at < MOST_HELD
        for _ in range(3):
            await read(client, waiting_at)
            further = await still(stream)
            assert waiting_at < further < waiting_at + MOST_HELD
            waiting_at = further
        client.close()


async def test_the_head_of_an_answer_comes_with_its_body() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await asyncio.sleep(0.05)
        await send({"type": "http.response.body", "body": b"body"})

    async with serving(app) as port:
        client = await connected(port)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(client, GET)
        async with asyncio.timeout(PATIENCE):
            first = await loop.sock_recv(client, 1 << 16)
        assert first.startswith(b"HTTP/1.1 200 OK\r\n")
        assert first.endswith(b"\r\n\r\nbody")
        client.close()


async def test_what_is_sent_arrives_at_once() -> None:
    arrived = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for number in range(3):
            await send({"type": "http.response.body", "body": b"data: %d\n\n" % number, "more_body": True})
            await arrived.wait()
            arrived.clear()
        await send({"type": "http.response.body"})

    async with serving(app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        async with asyncio.timeout(PATIENCE):
            await reader.readuntil(b"\r\n\r\n")
            for number in range(3):
                assert await reader.readuntil(b"\n\n\r\n") == b"9\r\ndata: %d\n\n\r\n" % number
                arrived.set()
            assert await reader.readexactly(5) == b"0\r\n\r\n"
        writer.close()


@pytest.mark.parametrize("reads", [True, False], ids=["reading", "not reading"])
@pytest.mark.parametrize("resets", [True, False], ids=["reset", "closed"])
async def test_a_stream_ends_when_its_client_leaves(reads: bool, resets: bool) -> None:
    stream = Stream()
    async with serving(stream) as port:
        client = await connected(port, receive_buffer=65_536)
        await asyncio.get_running_loop().sock_sendall(client, GET)
        if reads:
            await read(client, 1 << 20)
        else:
            await still(stream)
        if resets:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        await until(stream.ended.is_set)


async def test_a_stream_that_has_nothing_to_send_ends_when_its_client_leaves() -> None:
    ended = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"begun", "more_body": True})
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with serving(app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        async with asyncio.timeout(PATIENCE):
            await reader.readuntil(b"begun")
        assert not ended.is_set()
        writer.close()
        await until(ended.is_set)


async def test_a_client_that_ends_its_side_within_a_stream_counts_as_gone() -> None:
    stream = Stream()
    async with serving(stream) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        received = await reader.readuntil(b"\r\n\r\n")
        writer.write_eof()
        async with asyncio.timeout(PATIENCE):
            received += await reader.read()
        writer.close()
        await until(stream.ended.is_set)
    assert CONTINUE not in received
    assert not received.endswith(b"0\r\n\r\n")


async def test_a_stream_ends_with_the_grace_of_its_listener() -> None:
    streams = [Stream(), Stream()]
    waiting = iter(streams)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await next(waiting)(scope, receive, send)

    async with serving(app) as port:
        stalled, reading = await connected(port, receive_buffer=4096), await connected(port)
        for client in (stalled, reading):
            await asyncio.get_running_loop().sock_sendall(client, GET)
        reader = asyncio.create_task(read(reading, 1 << 40))
        await until(lambda: all(stream.sent for stream in streams))
        leaving = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - leaving < PATIENCE
    assert all(stream.ended.is_set() for stream in streams)
    await until(lambda: connections_of(port) == 0)
    with pytest.raises((AssertionError, ConnectionError)):  # read to the end, which is no end of the answer
        await reader
    stalled.close()
    reading.close()
