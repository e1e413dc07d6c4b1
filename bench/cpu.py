"""CPU time from the operating system's accounts, over the inner part of a measurement."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

import psutil

from bench.model import CpuTime, Load

BEGINS: Final = 0.3
ENDS: Final = 0.9
"""Of the measurement's length. Before that connections open and members are looked up."""


def metered(
    load: Callable[[], Load], *, service: Sequence[int], database: int, seconds: float
) -> tuple[Load, CpuTime | None]:
    """Run `load`, which takes about `seconds`, and meter the processes with these ids and all their children.

    The CPU time is None if the load ended before the inner part did.
    """
    with ThreadPoolExecutor(1) as pool:
        inner = pool.submit(_watch, service, database, seconds)
        began = time.monotonic()
        found = load()
        ended_early = time.monotonic() - began < ENDS * seconds
        return found, None if ended_early else inner.result()


def _watch(service: Sequence[int], database: int, seconds: float) -> CpuTime:
    time.sleep(BEGINS * seconds)
    began, before = time.monotonic(), _accounts(service, database)
    time.sleep((ENDS - BEGINS) * seconds)
    return CpuTime(
        time.monotonic() - began, *(b - a for a, b in zip(before, _accounts(service, database), strict=True))
    )


def _accounts(service: Sequence[int], database: int) -> tuple[float, float, float]:
    """CPU seconds of the service, of PostgreSQL, and of all that is not the benchmark's."""
    machine = psutil.cpu_times()
    # PostgreSQL, the contenders and the load generators are all below this process.
    others = sum(machine) - machine.idle - getattr(machine, "iowait", 0.0) - used(os.getpid())
    return used(*service), used(database), others


def used(*roots: int) -> float:
    """CPU seconds of these processes and of all below them, those that have ended included."""
    processes = [process for root in roots for process in _family(root)]
    total = 0.0
    for process in processes:
        # What ends between the look and this is in its parent's account, and is missed once at the most.
        with suppress(psutil.NoSuchProcess):
            # Those of children are only in the account when they have ended and been waited for.
            total += sum(process.cpu_times()[:4])
    return total


def _family(root: int) -> list[psutil.Process]:
    parent = psutil.Process(root)
    return [parent, *parent.children(recursive=True)]
