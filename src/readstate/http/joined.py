"""The head of an answer, written together with the beginning of its body."""

import asyncio


class HeadWithBody(asyncio.Transport):
    """A connection's transport, as answers are written to it.

    uvicorn writes a head, and then a body. uvloop sends each of them at once, and each becomes a packet. An app may not
    expect its head to be sent before there is a body (ASGI, "Response Start"). So the head waits for it.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._head_comes = False
        self._head = b""

    def hold_head(self) -> None:
        """Keep what is written next until something follows."""
        self._head_comes = True

    def write(self, data: bytes) -> None:  # type: ignore[override]
        if self._head_comes:
            self._head_comes, self._head = False, data
            return
        head, self._head = self._head, b""
        self._transport.write(head + data)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._transport.close()
