"""A client that goes while it waits: its work is cancelled. One that only sends no more gets its answers."""

import asyncio
import socket
import struct
import time

import pytest
from starlette.types import Receive, Scope, Send

from readstate.http import protocol
from tests.gateway.wire import PATIENCE, read_reply
from tests.http.serving import GET, Work, connected, nothing_here, serving
from tests.waiting import until

HTTP_1_0 = GET.replace(b"1.1", b"1.0")


@pytest.mark.parametrize("request_", [GET, GET + b"POST"], ids=["one", "half of the next"])
@pytest.mark.parametrize("resets", [True, False], ids=["reset", "closed"])
async def test_the_work_for_a_client_that_has_gone_is_cancelled(request_: bytes, resets: bool) -> None:
    work = Work()
    async with serving(work) as port:
        client = await connected(port)
        await asyncio.get_running_loop().sock_sendall(client, request_)
        await until(work.begun.is_set)
        if resets:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        await until(work.cancelled.is_set)


async def test_an_app_that_answers_nobody_learns_it() -> None:
    work, learnt = Work(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await work(scope, receive, send)
        except asyncio.CancelledError:
            with pytest.raises(ConnectionResetError):
                await nothing_here(scope, receive, send)
            learnt.set()

    async with serving(app) as port:
        client = await connected(port)
        await asyncio.get_running_loop().sock_sendall(client, GET)
        await until(work.begun.is_set)
        client.close()
        await until(learnt.is_set)


async def answers_after(seconds: float, request: bytes) -> bytes:
    """What a client gets that ends its side and waits, from an app that needs so long."""
    work = Work()
    async with serving(work) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        writer.write_eof()
        await asyncio.sleep(seconds)
        work.may_answer.set()
        async with asyncio.timeout(PATIENCE):
            received = await reader.read()
        writer.close()
    assert not work.cancelled.is_set()
    return received


async def test_a_client_that_sends_no_more_and_waits_gets_interim_answers_and_its_own() -> None:
    received = await answers_after(2, GET)
    assert received.startswith(protocol.CONTINUE)
    assert received.count(protocol.CONTINUE) <= 5
    final = received.replace(protocol.CONTINUE, b"")
    assert final.startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert final.count(b"HTTP/1.1") == 1


async def test_an_answer_that_comes_soon_needs_no_interim_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "FIRST_PROBE", 5)
    assert (await answers_after(0.1, GET)).startswith(b"HTTP/1.1 404 ")


async def test_http_1_0_knows_no_interim_answers() -> None:
    assert (await answers_after(1, HTTP_1_0)).startswith(b"HTTP/1.1 404 ")


async def test_an_app_without_an_answer_when_the_grace_is_over_is_cancelled() -> None:
    work = Work()
    async with serving(work) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        await until(work.begun.is_set)
        leaving = time.monotonic()
    assert work.cancelled.is_set()
    assert time.monotonic() - leaving < PATIENCE
    async with asyncio.timeout(PATIENCE):
        assert await reader.read() == b""
    writer.close()


async def test_an_app_may_still_answer_when_it_is_cancelled() -> None:
    work = Work()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await work(scope, receive, send)
        except asyncio.CancelledError:
            await nothing_here(scope, receive, send)

    async with serving(app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        await until(work.begun.is_set)
    async with asyncio.timeout(PATIENCE):
        assert (await read_reply(reader)).status == 404
    writer.close()
