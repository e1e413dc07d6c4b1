"""Addresses that cannot be listened on: what is wrong is said in one line."""

import errno
import os
import socket

import pytest

from readstate.config import ServerSettings
from readstate.errors import StartupError
from readstate.rpc import server


async def refusal(settings: ServerSettings, listen: str) -> str:
    changed = settings.model_copy(update={"listen": listen})
    with pytest.raises(StartupError) as raised:
        server.bind(server.create(changed), changed)
    return str(raised.value)


async def test_a_host_that_does_not_resolve(settings: ServerSettings) -> None:
    with pytest.raises(OSError) as unknown:  # noqa: PT011  whatever this machine says of it
        socket.getaddrinfo("nohost.invalid", 1)
    said = f"READSTATE_LISTEN: cannot listen on nohost.invalid:1: {unknown.value.strerror}"
    assert await refusal(settings, "nohost.invalid:1") == said


async def test_an_address_of_another_machine(settings: ServerSettings) -> None:
    said = f"cannot listen on 192.0.2.1:0: {os.strerror(errno.EADDRNOTAVAIL)}"
    assert (await refusal(settings, "192.0.2.1:0")).endswith(said)


async def test_a_used_port(settings: ServerSettings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        said = f"cannot listen on {listen}: {os.strerror(errno.EADDRINUSE)}"
        assert (await refusal(settings, listen)).endswith(said)
