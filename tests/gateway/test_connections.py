"""What a client gets depends on the bytes that it sends, and not on how the network cuts them."""

import asyncio

import pytest

from readstate.http.limits import Limits
from readstate.http.protocol import HttpConnection
from tests.gateway.conftest import PATH, Bearer, Gateway
from tests.gateway.wire import PATIENCE, Reply, Wire, chunked, head, read_reply


async def answers(gateway: Gateway, *parts: bytes) -> list[Reply]:
    """Send the parts, end the sending side, and read until the gateway closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    said = asyncio.StreamReader()
    async with asyncio.timeout(PATIENCE):
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.001)  # for the part to arrive alone
        writer.write_eof()
        said.feed_data(await reader.read())
    writer.close()
    said.feed_eof()
    replies = []
    while not said.at_eof():
        replies.append(await read_reply(said))
    # A client that has ended its side gets interim answers when the machine is busy.
    return [reply for reply in replies if reply.status != 100]


LARGEST_HEAD = Limits().framing_bytes


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


# ── However it is cut ────────────────────────────────────────────────────────────────────────────────────────────────


def numbered(number: int, method: str, path: str, *headers: tuple[str, str], body: bytes = b"") -> bytes:
    return head(method, path, [("x-request-id", f"r{number}"), *headers]) + body


LENGTH, CHUNKED = ("content-length", "8"), ("transfer-encoding", "chunked")
H2C = [("Connection", "Upgrade, HTTP2-Settings"), ("UPGRADE", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQAoAAAAAIAAAAA")]
WEBSOCKET = [("Upgrade", "websocket"), ("Connection", "keep-alive, Upgrade"), ("Sec-WebSocket-Version", "13")]
BODY, CHUNKS = b'{"id":1}', chunked(b'{"id":\r\n\r\n1}', 5)
BAD = b"no request\r\n\r\n"
NEXT = numbered(2, "GET", "/next")
WITH_BODY = numbered(1, "POST", PATH, LENGTH, body=BODY)
WITH_CHUNKS = numbered(1, "POST", PATH, CHUNKED, body=CHUNKS)
WITH_TRAILERS = numbered(1, "POST", PATH, CHUNKED, body=CHUNKS.removesuffix(b"\r\n") + b"x: y\r\nz: never\r\n\r\n")

# Some requests in a row, and what answers them: the status of each in its turn, the last one's being a refusal.
REQUESTS = {
    "h2c with a body": (numbered(1, "POST", PATH, *H2C, LENGTH, body=BODY) + NEXT, [401, 404]),
    "h2c with chunks": (numbered(1, "POST", PATH, *H2C, CHUNKED, body=CHUNKS) + NEXT, [401, 404]),
    "h2c without a body": (numbered(1, "GET", "/x", *H2C) + NEXT, [404, 404]),
    "h2c with chunks before": (WITH_CHUNKS + head("GET", "/x", H2C), [401, 404]),
    "websocket": (numbered(1, "GET", PATH, *WEBSOCKET) + NEXT, [405, 404]),
    "websocket of HTTP/1.0": (numbered(1, "GET", PATH, *WEBSOCKET).replace(b"/1.1", b"/1.0"), [405]),
    "connect": (NEXT + head("CONNECT", "a.example:443") + NEXT, [404, 400]),
    "bodies": (
        WITH_BODY + numbered(2, "DELETE", PATH, CHUNKED, body=CHUNKS) + NEXT,
        [401, 401, 404],
    ),
    "trailers": (WITH_TRAILERS + NEXT, [401, 404]),
    "empty lines": (b"\r\n" + WITH_BODY + b"\r\n\r\n" + NEXT, [401, 404]),
    "a bad one": (NEXT + NEXT + BAD + NEXT, [404, 404, 400]),
    "a bad version": (NEXT + b"GET / HTTP/1.1\n\n", [404, 400]),
    "a bad header": (NEXT + head("GET", "/x", [("bad name", "y")]), [404, 400]),
    "a bad path": (NEXT + head("GET", "/\xff"), [404, 400]),
    "a bad chunk": (NEXT + head("POST", PATH, [CHUNKED]) + b"3\r\n123\r\nz\r\n", [404, 400]),
    "only a bad chunk": (head("POST", PATH, [CHUNKED]) + b"3\r\n123\r\nz\r\n", [400]),
    "half a head": (NEXT + NEXT[:-3], [404]),
    "half a body": (NEXT + numbered(3, "POST", PATH, LENGTH, body=BODY[:-1]), [404]),
    "only half a body": (numbered(3, "POST", PATH, LENGTH, body=BODY[:-1]), []),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_the_answers_are_the_same_however_requests_are_cut(gateway: Gateway, name: str) -> None:
    sent, statuses = REQUESTS[name]
    ways = [[sent], [bytes([byte]) for byte in sent], *([sent[:i], sent[i:]] for i in range(1, len(sent)))]
    whole = await answers(gateway, sent)
    assert [reply.status for reply in whole] == statuses
    for i in range(0, len(ways), 50):
        for replies in await asyncio.gather(*(answers(gateway, *parts) for parts in ways[i : i + 50])):
            assert [reply.status for reply in replies] == statuses
            assert [reply.body for reply in replies] == [reply.body for reply in whole]


async def test_answers_come_in_the_order_of_the_requests(gateway: Gateway) -> None:
    requests = b"".join(numbered(i, "POST", PATH, *(H2C if i % 2 else []), LENGTH, body=BODY) for i in range(20))
    replies = await answers(gateway, requests + BAD)
    assert [reply.headers.get("x-request-id") for reply in replies] == [*(f"r{i}" for i in range(20)), None]
    replies = await answers(gateway, NEXT + numbered(1, "GET", "/last", ("connection", "close")) + NEXT + BAD)
    assert [reply.headers["x-request-id"] for reply in replies] == ["r2", "r1"]


async def test_the_body_of_a_request_that_asks_for_another_protocol_is_read(
    gateway: Gateway, demo_data: None, bearer: Bearer
) -> None:
    token = ("authorization", bearer("ada")["authorization"])
    for upgrade in (H2C, WEBSOCKET):
        for request in (
            numbered(1, "POST", PATH, token, *upgrade, LENGTH, body=BODY),
            numbered(1, "POST", PATH, *upgrade, CHUNKED, token, body=CHUNKS),
        ):
            for parts in ([request + request], [bytes([byte]) for byte in request]):
                assert {reply.status for reply in await answers(gateway, *parts)} == {200}


# ── Bounds ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def head_of(size: int, *headers: tuple[str, str]) -> bytes:
    begun = [("host", "gateway"), *headers, ("y", "y" * 1000)]
    return head("GET", "/large", [*begun, ("x", "x" * (size - len(head("GET", "/large", [*begun, ("x", "")]))))])


@pytest.mark.parametrize("before", [b"", NEXT, WITH_CHUNKS, WITH_BODY], ids=["alone", "head", "chunks", "body"])
@pytest.mark.parametrize("headers", [[], H2C], ids=["", "h2c"])
async def test_a_head_is_bounded_to_the_byte(gateway: Gateway, before: bytes, headers: list[tuple[str, str]]) -> None:
    for size, status in ((LARGEST_HEAD, 404), (LARGEST_HEAD + 1, 431), (LARGEST_HEAD + 5000, 431)):
        sent = before + head_of(size, *headers)
        cuts = [len(before) + 1, LARGEST_HEAD, len(sent) - 4, len(sent) - 1]
        ways = [[sent], [sent[i : i + 999] for i in range(0, len(sent), 999)], *([sent[:i], sent[i:]] for i in cuts)]
        for parts in ways:
            assert [reply.status for reply in await answers(gateway, *parts)][-1] == status


@pytest.mark.parametrize(
    "endless",
    [
        b"\r\n",
        head("GET", "/").removesuffix(b"\r\n") + b"x:" + b" " * 9000,
        head("GET", "/").removesuffix(b"\r\n") + b"x: y\r\n" * 9000,
        head("POST", PATH, [CHUNKED]) + b"0\r\nx: ",
        head("POST", PATH, [CHUNKED]) + b"0\r\n" + b"x: y\r\n" * 9000,
        head("POST", PATH, [CHUNKED]) + b"1;x=",
    ],
)
async def test_nothing_that_frames_a_request_goes_on_without_end(gateway: Gateway, endless: bytes) -> None:
    more = (b"\r\n" if endless == b"\r\n" else b"y") * 8192
    (reply,) = await answers(gateway, endless, *[more] * 16)
    assert reply.status == 431


async def test_a_client_that_sends_on_reads_why_it_is_refused(gateway: Gateway) -> None:
    for _ in range(5):
        (reply,) = await answers(gateway, *[head_of(1 << 20)] * 5)
        assert (reply.status, reply.body) == (431, b'{"error":"Request header fields too large"}')
        assert reply.headers["connection"] == "close"


async def test_a_chunk_is_parsed_as_it_arrives_and_not_line_by_line(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces: list[int] = []
    parse = HttpConnection._parse

    def counted(self: HttpConnection, piece: bytes) -> None:
        pieces.append(len(piece))
        parse(self, piece)

    monkeypatch.setattr(HttpConnection, "_parse", counted)
    request = head("POST", "/x", [CHUNKED]) + chunked(b"\n" * 100_000, 50_000)
    assert [reply.status for reply in await answers(gateway, request)] == [404]
    assert len(pieces) < 100
