"""Load from wrk, with a script that makes each request's body."""

import json

from bench.model import Load
from bench.plan import BENCH, EVENTS, STRIDE
from bench.processes import run
from bench.tools import program


def wrk(port: int, token: str, *, level: int, seconds: int) -> Load:
    """Mark events for `seconds` on `level` connections. At the end wrk drops what is under way: up to `level` calls
    may have been served that it does not count."""
    command = [program("wrk"), "-t", "1", "-c", str(level), "-d", f"{seconds}s", "--timeout", "20s"]
    command += ["-s", str(BENCH / "mark_read.lua"), f"http://127.0.0.1:{port}"]
    output = run([*command, "--", token, str(EVENTS), str(STRIDE)], seconds=seconds + 30)
    seen = json.loads(output.strip().splitlines()[-1])
    failures = {kind: seen[kind] for kind in ("status", "connect", "read", "write", "timeout") if seen[kind]}
    return Load(
        calls=seen["requests"] - seen["status"],
        failures=failures,
        seconds=seen["us"] / 1e6,
        p50_ms=seen["p50_us"] / 1e3,
        p99_ms=seen["p99_us"] / 1e3,
    )
