"""Waiting for a condition instead of for a while: a slow machine then takes longer, and fails nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

SECONDS = 60
"""What never comes fails later. What comes late on a slow machine does not."""


async def until(condition: Callable[[], Any], *, within: float = SECONDS) -> None:
    """Return once `condition()` is true; TimeoutError after `within` seconds."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - what is waited for sets no asyncio.Event
            await asyncio.sleep(0.005)


async def until_answered(question: Callable[[], Awaitable[Any]], *, within: float = SECONDS) -> None:
    """Return once `await question()` is true; TimeoutError after `within` seconds."""
    async with asyncio.timeout(within):
        while not await question():  # noqa: ASYNC110 - nor does this
            await asyncio.sleep(0.005)
