"""What a client gets depends on the bytes that it sends, and not on how the network cuts them."""

import asyncio

from tests.gateway.conftest import PATH, Bearer, Gateway
from tests.gateway.wire import PATIENCE, Reply, Wire, head, read_reply


async def answers(gateway: Gateway, *parts: bytes) -> list[Reply]:
    """Send the parts, end the sending side, and read until the gateway closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    said = asyncio.StreamReader()
    async with asyncio.timeout(PATIENCE):
        for part in parts:
            writer.write(part)
            await writer.drain()
        writer.write_eof()
        said.feed_data(await reader.read())
    writer.close()
    said.feed_eof()
    replies = []
    while not said.at_eof():
        replies.append(await read_reply(said))
    return replies


# ── Half-closed ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_client_that_sends_no_more_still_gets_its_answers(
    gateway: Gateway, demo_data: None, bearer: Bearer
) -> None:
    request = head("POST", PATH, [*bearer("ada").items(), ("content-length", "8")]) + b'{"id":1}'
    assert [reply.status for reply in await answers(gateway, request)] == [200]
    assert [reply.status for reply in await answers(gateway, request + request + head("GET", "/x"))] == [200, 200, 404]


# ── Trailers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_trailer_is_no_header(gateway: Gateway, demo_data: None, bearer: Bearer) -> None:
    trailers = b"authorization: %b\r\nx-request-id: trailer\r\n" % bearer("ada")["authorization"].encode()
    body = b'8\r\n{"id":1}\r\n0\r\n' + trailers + b"\r\n"
    async with Wire(gateway.port) as wire:
        reply = await wire.send(head("POST", PATH, [("transfer-encoding", "chunked")]) + body)
    assert reply.status == 401
    assert reply.headers["x-request-id"] != "trailer"
