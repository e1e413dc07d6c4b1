"""HTTP/1.1 on one connection: uvicorn's protocol, with limits on what it waits for and keeps, and with errors in JSON.

What a client gets depends on its bytes alone, never on how the network cut them. So the parser gets pieces, each of one
request only, and every answer waits for the answers before it.
"""

import asyncio
from typing import Any, Final

import httptools
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from readstate.http.answering import answer
from readstate.http.framing import Framing
from readstate.http.joined import HeadWithBody
from readstate.http.limits import Limits
from readstate.http.pace import Pace
from readstate.http.refusals import BAD_REQUEST, HEAD_TOO_LARGE, TOO_MANY_CONNECTIONS

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
FIRST_PROBE: Final = 0.25
"""Seconds after which a client that sends no more, and waits for an answer, is probed for the first time."""


class HttpConnection(HttpToolsProtocol):
    """Whoever serves with it calls `enforce_time_limits` of each connection about once a second."""

    _answers: HeadWithBody
    """What answers are written to."""
    _running: tuple[RequestResponseCycle, "asyncio.Task[None]"] | None = None
    """The request that the app works on, or worked on last."""
    _unanswered = 0
    """Requests without a complete answer."""
    _closing = False
    """Nothing more is read. The connection closes when all requests are answered."""
    _refusal = b""
    """What is written before it closes."""
    _client_ended = False
    """The client sends no more."""

    def __init__(self, *, limits: Limits, **others: Any) -> None:
        """`others` are what uvicorn gives to every protocol."""
        super().__init__(**others)
        self._limits = limits
        self._framing = Framing(limits.framing_bytes)
        self._pace = Pace(limits, self.loop.time())

    # ── The connection ───────────────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if len(self.connections) < self._limits.connections:
            super().connection_made(transport)
            self._answers = HeadWithBody(transport)
            return
        self.transport, self._closing = transport, True
        transport.write(TOO_MANY_CONNECTIONS)
        transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._running is None:
            return
        cycle, task = self._running
        if not cycle.response_complete:
            cycle.disconnected = True
            task.cancel()

    def enforce_time_limits(self) -> None:
        now = self.loop.time()
        if self._pace.reads_too_slowly(self.transport.get_write_buffer_size(), now):
            self.transport.abort()  # closing would wait for the client to read
        elif self._pace.sends_too_slowly(now):
            self.transport.close()

    # ── Bytes ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def data_received(self, data: bytes) -> None:
        start = 0
        while start < len(data) and not self._closing:
            piece = self._framing.next_piece(data, start)
            if piece:
                self._parse(piece)
            else:
                self._close_when_answered(HEAD_TOO_LARGE)
            start += len(piece)

    def _parse(self, piece: bytes) -> None:
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            self._read_without_upgrade()
        except httptools.HttpParserError:
            self._close_when_answered(BAD_REQUEST)

    def _read_without_upgrade(self) -> None:
        """Read the head once more, as if it did not ask for another protocol.

        A server may ignore the wish (RFC 9110, section 7.8), but the parser would read no body. Java's client and
        `curl --http2` ask for another protocol and send a body.
        """
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        if method == b"CONNECT":  # the same wish, without a header
            self._close_when_answered(BAD_REQUEST)
            return
        fields = b"".join(b"%b: %b\r\n" % field for field in self.headers if field[0] != b"upgrade")
        self.parser = httptools.HttpRequestParser(self)
        self._parse(b"%b %b HTTP/%b\r\n%b\r\n" % (method, self.url, version, fields))

    # ── Requests, as the parser finds them ───────────────────────────────────────────────────────────────────────────

    def on_message_begin(self) -> None:
        super().on_message_begin()
        # Not with any byte: empty lines between two requests would keep the connection open for ever.
        self._unset_keepalive_if_required()
        self._pace.request_awaited(self.loop.time())

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        super().on_headers_complete()
        self._unanswered += 1
        self._framing.head_ends(self.headers)
        # The app has the list of headers. The parser would add trailers to it, which are not headers (RFC 9110, section
        # 6.5.1).
        self.headers = []

    def on_chunk_header(self) -> None:
        self._framing.chunk_begins()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._framing.body_arrives()

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        super().on_message_complete()
        self._framing.request_ends()
        self._pace.request_arrived()

    # ── Answers ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGIApp) -> None:  # type: ignore[override]
        task = self.loop.create_task(answer(app, cycle, self._answers))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)
        self._running = cycle, task

    def on_response_complete(self) -> None:
        self._unanswered -= 1
        super().on_response_complete()
        if self._closing:
            self._close_if_answered()

    # ── The end ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client sends no more. It may still read its answers (RFC 9112, section 9.6), or it may have gone.

        Both look the same. So the connection stays open, and `_probe` finds out.
        """
        self._client_ended = True
        if not self._closing:
            self._close_when_answered()
        if self._unanswered:
            self.loop.call_later(FIRST_PROBE, self._probe, FIRST_PROBE)
        return self._unanswered > 0

    def _probe(self, seconds: float) -> None:
        """Write something. If the client has gone, its host replies with a reset, and the next write fails.

        What is written is `100 Continue`: a client skips it (RFC 9110, section 15.2). If the answer has begun, nothing
        can be written. But then the answer is a stream, and clients of streams keep their own side open. So this one
        has gone.
        """
        if not self._unanswered or self.transport.is_closing() or self._running is None:
            return
        cycle, _ = self._running
        if cycle.response_started:
            self.transport.abort()  # closing would wait for the app to end
            return
        if cycle.scope["http_version"] == "1.1":
            self.transport.write(CONTINUE)
        self.loop.call_later(2 * seconds, self._probe, 2 * seconds)

    def _close_when_answered(self, refusal: bytes = b"") -> None:
        """Read nothing more. Answer the requests that have arrived, write the refusal, and close."""
        self._closing, self._refusal = True, refusal
        if not self._framing.in_head:
            self._abandon_request()
        self._close_if_answered()

    def _abandon_request(self) -> None:
        """Tell the app that the rest of the request will not come."""
        if self.cycle.response_started:
            self._refusal = b""  # it has its answer
            return
        self._unanswered -= 1
        if self.pipeline:
            self.pipeline.popleft()
        self.cycle.disconnected = self.cycle.response_complete = True
        self.cycle.message_event.set()

    def _close_if_answered(self) -> None:
        if self._unanswered or self.transport.is_closing():
            return
        if self._refusal:
            self.transport.write(self._refusal)
        if self._client_ended or not self._refusal:
            self.transport.close()
            return
        # Closing with unread bytes resets the connection, and then the client may never see the refusal. So the client
        # closes first. It has as much time as for a request.
        self.transport.write_eof()
        self.flow.resume_reading()
        self._pace.request_awaited(self.loop.time())
