"""HTTP/1.1 on one connection: uvicorn's protocol, with bounds on what it waits for and keeps, and with errors in JSON.

What a client gets depends on its bytes alone, never on how the network cut them. So the parser is fed in pieces, each
of one request only, and every answer waits for those before it.
"""

import asyncio
import json
from typing import Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD: Final = 64 << 10
"""Bytes of a request line with its headers, and of all that frames a body: a chunk's size, the trailers."""
SLOWEST_REQUEST: Final = 30.0
"""Seconds within which a request has to arrive, its body included."""


def _refusal(status: str, message: str) -> bytes:
    body = json.dumps({"error": message}, separators=(",", ":"))
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close"
    return f"{head}\r\n\r\n{body}".encode()


_BAD_REQUEST: Final = _refusal("400 Bad Request", "Invalid HTTP request received.")
_HEAD_TOO_LARGE: Final = _refusal("431 Request Header Fields Too Large", "Request header fields too large")


class HttpConnection(HttpToolsProtocol):
    """Whoever serves with it calls `end_if_slow` of each connection from time to time."""

    _awaited_since: float | None = None
    """When the request began that has not arrived whole."""
    _in_head = True
    _framing = 0
    """Bytes since the last one of a body."""
    _body_left = 0
    """Bytes still to come of a body, or of one of its chunks, whose length is known."""
    _line: bytearray
    """What has arrived between two chunks."""
    _unanswered = 0
    _last_words: bytes | None = None
    """What is said once all is answered, before closing. As soon as it is known, nothing more is taken in."""
    _client_ended = False

    # ── Bytes ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._line = bytearray()
        self._awaited_since = self.loop.time()

    def data_received(self, data: bytes) -> None:
        start = 0
        while start < len(data) and self._last_words is None:
            end = self._cut(data, start)
            if end == start:
                self._finish(_HEAD_TOO_LARGE)
                return
            self._feed(data[start:end])
            start = end

    def _cut(self, data: bytes, start: int) -> int:
        """Where a piece ends that is of one request only, and within bounds."""
        if self._body_left:
            return min(len(data), start + self._body_left)
        # A head that begins here ends with its first empty line. Of one that began before, and between chunks, any line
        # may be the last.
        mark = b"\r\n\r\n" if self._in_head and not self._framing else b"\n"
        found = data.find(mark, start)
        end = len(data) if found < 0 else found + len(mark)
        return min(end, start + LARGEST_HEAD - self._framing)

    def _feed(self, piece: bytes) -> None:
        if self._body_left:
            self._body_left -= len(piece)
        else:
            self._framing += len(piece)
            if not self._in_head:
                self._line += piece
        self._parse(piece)

    def _parse(self, piece: bytes) -> None:
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            self._read_without_upgrade()
        except httptools.HttpParserError:
            self._finish(_BAD_REQUEST)

    def _read_without_upgrade(self) -> None:
        """Read the head once more, as if it did not ask for another protocol, which a server may ignore (RFC 9110,
        section 7.8). The parser would take the body for that protocol; Java's client and curl --http2 ask and send one.
        """
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        if method == b"CONNECT":  # which says the same without a header
            self._finish(_BAD_REQUEST)
            return
        fields = b"".join(b"%b: %b\r\n" % field for field in self.headers if field[0] != b"upgrade")
        self.parser = httptools.HttpRequestParser(self)
        self._parse(b"%b %b HTTP/%b\r\n%b\r\n" % (method, self.url, version, fields))

    def eof_received(self) -> bool:  # type: ignore[override]
        """A client that has said all may still read (RFC 9112, section 9.6): keep open until it has its answers."""
        self._client_ended = True
        if self._last_words is None:
            self._finish(b"")
        return self._unanswered > 0

    # ── Requests, as the parser finds them ───────────────────────────────────────────────────────────────────────────

    def on_message_begin(self) -> None:
        super().on_message_begin()
        # Here and not with any byte, or an empty line between two requests would keep the connection for ever.
        self._unset_keepalive_if_required()
        self._awaited_since = self.loop.time()

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        super().on_headers_complete()
        self._unanswered += 1
        self._in_head, self._framing = False, 0
        for name, value in self.headers:
            if name == b"content-length":
                self._body_left = int(value)
        # The app has the list by now. What the parser finds from here on are trailers, which are no headers (RFC 9110,
        # section 6.5.1).
        self.headers = []

    def on_chunk_header(self) -> None:
        # The line is one that the parser has found good. After the last chunk come lines, the trailers.
        size = int(self._line.partition(b";")[0], 16)
        self._line.clear()
        if size:
            self._body_left = size + len(b"\r\n")

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._framing = 0

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        super().on_message_complete()
        self._in_head, self._framing, self._awaited_since = True, 0, None
        self._line.clear()

    # ── The end ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def end_if_slow(self) -> None:
        """Close the connection if a request has been arriving for too long."""
        if self._awaited_since is not None and self.loop.time() > self._awaited_since + SLOWEST_REQUEST:
            self.transport.close()

    def on_response_complete(self) -> None:
        self._unanswered -= 1
        super().on_response_complete()
        if self._last_words is not None:
            self._part()

    def _finish(self, last_words: bytes) -> None:
        """Take in nothing more, and close with these words when all requests before are answered."""
        self._last_words = last_words
        if not self._in_head:
            self._give_up_request()
        self._part()

    def _give_up_request(self) -> None:
        """Let the app know that the request which it may be reading will not be whole."""
        if self.cycle.response_started:
            self._last_words = b""  # it has its answer
            return
        self._unanswered -= 1
        if self.pipeline:
            self.pipeline.popleft()
        self.cycle.disconnected = self.cycle.response_complete = True
        self.cycle.message_event.set()

    def _part(self) -> None:
        if self._unanswered or self.transport.is_closing():
            return
        if self._last_words:
            self.transport.write(self._last_words)
        if self._client_ended or not self._last_words:
            self.transport.close()
            return
        # Closing with bytes unread resets the connection, and the client might never see what was written. So it is the
        # client who closes, within the time of a request.
        self.transport.write_eof()
        self.flow.resume_reading()
        self._awaited_since = self.loop.time()
