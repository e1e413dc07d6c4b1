"""The lines that a terminal shows while `readstate dev` runs."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from io import StringIO

import pytest
import structlog

from readstate.dev.access_lines import WAIT_SECONDS, AccessLines
from readstate.telemetry.logs import configure_logging

CALL = {"method": "SystemEventService/MarkRead", "code": "OK", "reason": None, "ms": 3.2, "user": "ada", "changed": 2}
REQUEST = {"method": "POST", "path": "/systemevent/read", "status": 200, "ms": 4.71}


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """The lines on the terminal."""
    stream, configured = StringIO(), structlog.get_config()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logging("info", "console", terminal=AccessLines())
    yield lambda: stream.getvalue().splitlines()
    structlog.configure(**configured)


async def test_a_request_by_rest_is_one_line_with_what_its_call_did(shown: Callable[[], list[str]]) -> None:
    log = structlog.get_logger()
    log.info("call", request_id="r", **CALL)
    log.info("request", request_id="r", **REQUEST)
    await asyncio.sleep(2 * WAIT_SECONDS)
    (line,) = shown()
    assert line.split()[1:] == ["POST", "/systemevent/read", "200", "4.7", "ms", "ada", "changed", "2"]


async def test_a_call_by_grpc_is_one_line(shown: Callable[[], list[str]]) -> None:
    refused = CALL | {"code": "INVALID_ARGUMENT", "reason": "INVALID_EVENT_IDS"}
    structlog.get_logger().info("call", request_id="r", **refused)
    await asyncio.sleep(2 * WAIT_SECONDS)
    (line,) = shown()
    assert line.split()[1:4] == ["gRPC", "SystemEventService/MarkRead", "INVALID_ARGUMENT"]
    assert "INVALID_EVENT_IDS" in line


async def test_a_request_that_led_to_no_call_is_one_line(shown: Callable[[], list[str]]) -> None:
    structlog.get_logger().info("request", request_id="r", **(REQUEST | {"status": 404, "path": "/nothing"}))
    (line,) = shown()
    assert line.split()[1:] == ["POST", "/nothing", "404", "4.7", "ms"]


async def test_all_else_looks_as_structlog_writes_it(shown: Callable[[], list[str]]) -> None:
    structlog.get_logger().info("listening", port=50051)
    (line,) = shown()
    assert "listening" in line
    assert "50051" in line
