"""What strangers can make a server write to stderr: log lines alone, whatever they send."""

import asyncio
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.serving import serving

MARK_READ = "/readstate.v1.SystemEventService/MarkRead"

# What a server does once in 20,000 objects happens in every second token: what took a stranger an hour takes seconds.
COLLECT_OFTEN = """
from readstate.server import garbage
garbage.YOUNG = 1493
"""


def nested(depth: int) -> str:
    """A token whose header holds an array in an array, and so on."""
    header = '{"alg":"HS256","x":' + "[" * depth + "]" * depth + "}"
    return f"{urlsafe_b64encode(header.encode()).decode().rstrip('=')}.e30.e30"


async def test_nested_tokens_print_log_lines_alone(empty_database_url: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(COLLECT_OFTEN)
    async with (
        serving(empty_database_url, PYTHONPATH=str(tmp_path)) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        call: Any = channel.unary_unary(MARK_READ)

        async def refused(token: str) -> None:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call(b"", metadata=[("authorization", f"Bearer {token}")])
            assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED

        for _ in range(100):
            await asyncio.gather(*(refused(nested(1000)) for _ in range(32)))
    assert len(server.lines) > 3200
    assert [line for line in server.lines if not line.startswith("{")] == []
