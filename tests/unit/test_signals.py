"""What ends a command that waits."""

import asyncio
import os
import signal

from readstate.server import signals


def test_a_signal_ends_the_wait_and_what_follows_can_await() -> None:
    finished = []

    async def work(stop: signals.Stop) -> None:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
        await stop.wait()
        await asyncio.sleep(0)
        finished.append(True)

    with signals.caught(again=lambda: None) as stop:
        stop.run(work(stop))
    assert finished


def test_the_end_of_a_task_ends_the_wait() -> None:
    finished = []

    async def work(stop: signals.Stop) -> None:
        await stop.wait(asyncio.create_task(asyncio.sleep(0)))
        finished.append(True)

    with signals.caught(again=lambda: None) as stop:
        stop.run(work(stop))
    assert finished
