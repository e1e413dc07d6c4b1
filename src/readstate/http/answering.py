"""The app's work on one request."""

import asyncio
from collections.abc import Awaitable

from starlette.types import ASGIApp, Message
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from readstate.http.joined import HeadWithBody


async def answer(app: ASGIApp, cycle: RequestResponseCycle, transport: HeadWithBody) -> None:
    """Let `app` answer the request of `cycle` on `transport`. The connection cancels this when the client has gone.

    From then on `send` raises ConnectionResetError, and already while the connection closes. The `send` of uvicorn
    returns at once, as if it had sent. An app that only sends would then never let the event loop do anything else.
    """

    cycle.transport = transport

    def send(message: Message) -> Awaitable[None]:
        if cycle.disconnected or transport.is_closing():
            raise ConnectionResetError("the client has gone")
        if message["type"] == "http.response.start" and cycle.scope["method"] != "HEAD":  # that has no body
            transport.hold_head()
        return cycle.send(message)  # type: ignore[arg-type]

    try:
        await app(cycle.scope, cycle.receive, send)  # type: ignore[arg-type]
        if not cycle.response_complete and not cycle.disconnected:
            raise RuntimeError("the app returned without a complete answer")
    except asyncio.CancelledError:
        # The client has gone. Or the listener closes, the grace is over, and the app did not say so.
        transport.close()
    except Exception as error:
        if isinstance(error, ConnectionResetError) and (cycle.disconnected or transport.is_closing()):
            return
        cycle.logger.error("the app failed", exc_info=error)
        if cycle.response_started:
            transport.close()
        else:
            await cycle.send_500_response()
    finally:
        cycle.on_response = lambda: None  # it refers to the connection, which refers to the cycle
