"""The lines of a terminal on which `readstate dev` runs: one for each request, short enough to read while it goes by.

Server and gateway share the process here, so a request by REST is logged twice: by the gateway as `request`, and by the
server as `call`. The two have one request id.
"""

import asyncio
import sys
from typing import Any, Final

import structlog

WAIT_SECONDS: Final = 0.1
"""A call's line waits so long for the request that the call was made for."""
_COUNTS: Final = ("ids", "changed", "matched")


class AccessLines:
    """The renderer of a terminal: an access line for a request, structlog's own form for all else."""

    def __init__(self) -> None:
        self._others = structlog.dev.ConsoleRenderer()
        self._terminal = sys.stderr
        self._calls: dict[str, Any] = {}

    def __call__(self, logger: Any, method: str, event: Any) -> Any:
        if event["event"] == "call":
            request_id = event["request_id"]
            self._calls[request_id] = event
            asyncio.get_running_loop().call_later(WAIT_SECONDS, self._alone, request_id, event)
            raise structlog.DropEvent
        if event["event"] == "request":
            call: Any = self._calls.pop(event["request_id"], {})
            return _line(event, f"{event['method']} {event['path']}", str(event["status"]), call)
        return self._others(logger, method, event)

    def _alone(self, request_id: str, event: Any) -> None:
        """Nobody has asked for the call by REST."""
        if request_id in self._calls and self._calls[request_id] is event:
            del self._calls[request_id]
            print(_line(event, f"gRPC {event['method']}", event["code"], event), file=self._terminal)


def _line(event: Any, what: str, status: str, call: Any) -> str:
    clock = event["timestamp"][11:19]
    told = [call.get("user"), call.get("reason"), *(f"{name} {call[name]}" for name in _COUNTS if name in call)]
    about = "  ".join(str(word) for word in told if word is not None)
    return f"{clock}  {what:<46} {status:<8} {event['ms']:>7.1f} ms  {about}".rstrip()
