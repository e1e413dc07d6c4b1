"""How background work leaves the database to the calls."""

import asyncio
import time
from collections.abc import Awaitable
from typing import Final, TypeVar

REST: Final = 2.0
"""Seconds of rest for each second of work. Where the database is busy a step takes longer, and so does the rest."""

T = TypeVar("T")


async def paced(step: Awaitable[T]) -> T:
    """Do the step, and rest."""
    began = time.monotonic()
    result = await step
    await asyncio.sleep(REST * (time.monotonic() - began))
    return result
