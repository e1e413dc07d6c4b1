"""Waiting for a program that is to listen on a port of this machine."""

import asyncio
from typing import Final

SECONDS: Final = 15


async def listening(port: int) -> None:
    """Return once connections are taken there; TimeoutError after 15 s."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                await writer.wait_closed()
                return
