"""Load from ghz. Its calls are serialised beforehand: a template for each call would cost it more than the call."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from bench.ids import block, scattered
from bench.model import Load
from bench.plan import BUILD, BULK_IDS, EVENTS, ROOT
from bench.processes import run
from bench.tools import program
from readstate.v1.system_events_pb2 import MarkReadRequest

CONNECTIONS: Final = 8
MESSAGES: Final = 250_000
"""More than any contender answers in one measurement. If one did, the count of marks would tell."""


def messages(ids: int) -> Path:
    """A file of calls with `ids` ids each, no id twice; ghz sends them in order."""
    path = BUILD / f"calls-{ids}.bin"
    if not path.exists():
        if ids == 1:
            write(path, ([scattered(n)] for n in range(MESSAGES)))
        else:
            write(path, (block(n, BULK_IDS) for n in range(EVENTS // BULK_IDS)))
    return path


def write(path: Path, calls: Iterable[list[int]]) -> None:
    """Write calls in the form that ghz reads: each with its length before it."""
    with path.open("wb") as file:
        for event_ids in calls:
            data = MarkReadRequest(event_ids=event_ids).SerializeToString()
            file.write(_varint(len(data)) + data)


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def ghz(port: int, metadata: str, calls: Path, *, level: int, seconds: int) -> Load:
    """Call MarkRead for `seconds`, `level` calls in flight. Every call begun is waited for."""
    command = [program("ghz"), "--insecure", "--call", "readstate.v1.SystemEventService/MarkRead"]
    command += ["--proto", str(ROOT / "protos/readstate/v1/system_events.proto"), "-i", str(ROOT / "protos")]
    command += ["--binary-file", str(calls), "--metadata", metadata]
    command += ["-c", str(level), "--connections", str(min(level, CONNECTIONS))]
    command += ["-z", f"{seconds}s", "--duration-stop", "wait", "-O", "json", f"127.0.0.1:{port}"]
    if "{{" not in metadata:
        command.append("--disable-template-data")
    report = json.loads(run(command, seconds=seconds + 60))
    codes = report["statusCodeDistribution"] or {}
    latencies = {entry["percentage"]: entry["latency"] / 1e6 for entry in report["latencyDistribution"] or []}
    return Load(
        calls=codes.get("OK", 0),
        failures={code: n for code, n in codes.items() if code != "OK"},
        seconds=report["total"] / 1e9,
        p50_ms=latencies.get(50),
        p99_ms=latencies.get(99),
    )
