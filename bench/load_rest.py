"""Load from wrk, with a script that makes each request."""

import json
from collections.abc import Sequence
from typing import Final

from bench.model import Load
from bench.plan import BENCH, BUILD, EVENTS, STRIDE
from bench.processes import run
from bench.tools import program

NOTIFICATIONS_PATH: Final = "/v1/messaging/notifications?limit=50"


def mark(port: int, tokens: Sequence[str], *, level: int, seconds: int) -> Load:
    """Mark events for `seconds` on `level` connections, with the tokens in turn.

    At the end wrk drops what is under way: up to `level` calls may have been served that it does not count.
    """
    return _wrk("mark_read.lua", port, tokens, [str(EVENTS), str(STRIDE)], level=level, seconds=seconds)


def list_notifications(port: int, tokens: Sequence[str], *, level: int, seconds: int) -> Load:
    """As `mark`: the first page of 50."""
    return _wrk("get.lua", port, tokens, [NOTIFICATIONS_PATH], level=level, seconds=seconds)


def _wrk(script: str, port: int, tokens: Sequence[str], arguments: list[str], *, level: int, seconds: int) -> Load:
    path = BUILD / "tokens.txt"
    path.write_text("\n".join(tokens))
    command = [program("wrk"), "-t", "1", "-c", str(level), "-d", f"{seconds}s", "--timeout", "20s"]
    command += ["-s", str(BENCH / "wrk" / script), f"http://127.0.0.1:{port}"]
    output = run([*command, "--", str(path), *arguments], seconds=seconds + 30)
    seen = json.loads(output.strip().splitlines()[-1])
    failures = {kind: seen[kind] for kind in ("status", "connect", "read", "write", "timeout") if seen[kind]}
    return Load(
        calls=seen["requests"] - seen["status"],
        failures=failures,
        seconds=seen["us"] / 1e6,
        p50_ms=seen["p50_us"] / 1e3,
        p99_ms=seen["p99_us"] / 1e3,
    )
