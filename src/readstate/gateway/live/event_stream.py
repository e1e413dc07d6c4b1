"""Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html): one window's answer."""

import json
import random
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Send

from readstate.gateway.live.shared import SharedStream, SharedStreams
from readstate.gateway.problems import Problem, error_object
from readstate.v1 import unread_pb2 as pb

HEARTBEAT_SECONDS: Final = 25.0
HEARTBEAT: Final = b":\n\n"
RETRY_MS: Final = (500, 3_000)
"""When a window may come back. Not all at once."""

_HEADERS: Final = {
    "content-type": "text/event-stream",
    "cache-control": "no-store",
    # nginx and its like would hold events back until they have a few kilobytes.
    "x-accel-buffering": "no",
}


class EventStream(Response):
    """Sends the newest state whenever it changes. What a slow window has not been sent is left out."""

    def __init__(self, streams: SharedStreams, stream: SharedStream) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._streams = streams
        self._stream = stream

    async def send_events(self, send: Send) -> None:
        """Send until the stream ends. `send` waits for the window to read."""
        told = None
        while (ended := self._stream.ended) is None:
            if (state := self._stream.state) is not told and state is not None:
                told = state
                await _send(send, event("unread", fields(state)))
                continue
            if not await self._stream.changes.within(HEARTBEAT_SECONDS):
                await _send(send, HEARTBEAT)
        await send({"type": "http.response.body", "body": _end(ended), "more_body": False})

    def leave(self) -> None:
        """The window has gone, or has been told all."""
        self._streams.leave(self._stream)


def fields(state: pb.WatchUnreadResponse) -> dict[str, Any]:
    """The state as JSON has it."""
    found: dict[str, Any] = {"unread_count": state.unread_count, "head": state.head, "version": state.version}
    if state.HasField("notifications"):
        counts = state.notifications
        found["notifications"] = {"unseen": counts.unseen, "unread": counts.unread, "version": counts.version}
    return found


def event(name: str, data: dict[str, Any]) -> bytes:
    """One event. JSON without line breaks is one line of data."""
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def _end(problem: Problem) -> bytes:
    retry = b"retry: %d\n" % random.randint(*RETRY_MS)  # noqa: S311 - spreads load, no secret
    return retry + event("end", {"error": error_object(problem)})


async def _send(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})
