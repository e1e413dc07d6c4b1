"""Starting, stopping and being killed."""

import asyncio
import os
import signal
import socket

import pytest

from readstate.client import ReadState
from readstate.errors import ReadStateError
from tests.acceptance.processes import Folder


async def _mark(folder: Folder, token: str, *event_ids: int) -> int:
    async with ReadState(f"127.0.0.1:{folder.port}", token=token) as readstate:
        return (await readstate.mark_read(event_ids)).changed


async def test_a_second_start_finds_what_the_first_has_kept(folder: Folder) -> None:
    async with folder.developing():
        token = await folder.token("ada")
        assert await _mark(folder, token, 1, 2) == 2
    async with folder.developing() as dev:
        assert await _mark(folder, await folder.token("ada"), 1, 2, 3) == 1
        await dev.stop(signal.SIGINT)


async def test_a_killed_one_recovers(folder: Folder) -> None:
    async with folder.developing() as dev:
        assert await _mark(folder, await folder.token("ada"), 1, 2) == 2
        os.killpg(dev.process.pid, signal.SIGKILL)
        await dev.stop()
    async with folder.developing():
        assert await _mark(folder, await folder.token("ada"), 1, 2, 3) == 1


async def test_what_was_acknowledged_before_sigterm_is_there_afterwards(folder: Folder) -> None:
    acknowledged: list[int] = []
    enough = asyncio.Event()

    async def keep_marking(readstate: ReadState, event_ids: range) -> None:
        for event_id in event_ids:
            try:
                await readstate.mark_read([event_id])
            except ReadStateError:
                return
            acknowledged.append(event_id)
            if len(acknowledged) == 200:
                enough.set()

    async with folder.developing() as dev:
        token = await folder.token("ada", "--scope", "system_events:write")
        async with ReadState(f"127.0.0.1:{folder.port}", token=token) as readstate:
            await readstate.record_system_events("acme", [{"event_id": i, "type": "load"} for i in range(1000, 6000)])
            callers = [
                asyncio.create_task(keep_marking(readstate, range(first, 6000, 8))) for first in range(1000, 1008)
            ]
            await asyncio.wait_for(enough.wait(), 30)
            await dev.stop()
            await asyncio.gather(*callers)
        assert dev.process.returncode == 0
    async with folder.developing():
        assert len(acknowledged) >= 200
        assert await _mark(folder, await folder.token("ada"), *acknowledged) == 0


async def test_a_second_one_in_the_same_folder_is_refused(folder: Folder) -> None:
    async with folder.developing():
        code, _, errors = await folder.run("dev")
    assert code == 1
    assert len(errors.strip().splitlines()) == 1


async def test_a_used_port_is_one_clear_line(folder: Folder) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        folder.port = taken.getsockname()[1]
        code, _, errors = await folder.run("dev")
    assert code == 1
    assert f"READSTATE_LISTEN: cannot listen on 127.0.0.1:{folder.port}: Address already in use" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://127.0.0.1:1/nothing", "nothing listens there"),
        ("mysql://127.0.0.1/readstate", "not a usable connection URI"),
    ],
)
async def test_a_database_that_cannot_be_used_is_one_clear_line(folder: Folder, url: str, said: str) -> None:
    tokens = {"READSTATE_TOKEN_ISSUER": "i", "READSTATE_TOKEN_AUDIENCE": "a", "READSTATE_TOKEN_SECRET": "s" * 32}
    code, _, errors = await folder.run("serve", READSTATE_DATABASE_URL=url, **tokens)
    assert code == 1
    assert errors.startswith("readstate: ")
    assert said in errors
    assert len(errors.strip().splitlines()) == 1


async def test_two_servers_may_start_at_once_on_an_empty_database(folder: Folder, empty_database_url: str) -> None:
    values = {"READSTATE_TOKEN_ISSUER": "i", "READSTATE_TOKEN_AUDIENCE": "a", "READSTATE_TOKEN_SECRET": "s" * 32}
    values |= {"READSTATE_DATABASE_URL": empty_database_url, "READSTATE_DRAIN_DELAY": "0"}
    ports = {"READSTATE_LISTEN": "127.0.0.1:0", "READSTATE_ADMIN_LISTEN": "127.0.0.1:0"}
    servers = [await folder.start("serve", **values, **ports) for _ in range(2)]
    try:
        for server in servers:
            assert server.stderr is not None
            async with asyncio.timeout(30):
                assert b"listening" in await server.stderr.readline()
    finally:
        for server in servers:
            server.terminate()
        outcomes = [await server.communicate() for server in servers]
    assert [server.returncode for server in servers] == [0, 0], outcomes
