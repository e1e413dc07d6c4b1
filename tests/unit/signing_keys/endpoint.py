"""A JWKS endpoint: a real HTTP server on a thread."""

import asyncio
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.unit.signing_keys.keys import OLD_SET


class Endpoint:
    """A JWKS endpoint whose answer the test sets, and which counts how often it was asked."""

    def __init__(self) -> None:
        self.body = OLD_SET
        self.status = 200
        self.headers: dict[str, str] = {}
        self.asked = 0
        self.abandoned = 0
        self.before_answer: Callable[[], object] = lambda: None
        self.drip: float | None = None
        self.drips_headers = False
        self._server: ThreadingHTTPServer | None = None
        self.port = 0

    def open(self) -> None:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                endpoint.asked += 1
                endpoint.before_answer()
                try:
                    endpoint.answer(self)
                except OSError:
                    endpoint.abandoned += 1

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        if self.drips_headers:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while True:
                handler.wfile.write(b"x")
                time.sleep(0.02)
        handler.send_response(self.status)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        drip = self.drip  # the test may set another one meanwhile
        if drip is None:
            handler.wfile.write(self.body)
            return
        for byte in self.body:
            handler.wfile.write(bytes([byte]))
            time.sleep(drip)

    def close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/jwks.json"


async def eventually(condition: Callable[[], object], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  the server's thread sets no asyncio.Event
            await asyncio.sleep(0.005)
