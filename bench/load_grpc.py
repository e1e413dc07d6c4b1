"""Load from `loader/`, our own generator. Calls are serialised beforehand, and each worker is a member of its own."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from google.protobuf.message import Message

from bench import build
from bench.ids import block, scattered
from bench.model import Load
from bench.plan import BUILD, BULK_IDS, EVENTS
from bench.processes import run
from readstate.v1.system_events_pb2 import MarkReadRequest

CONNECTIONS: Final = 8
MESSAGES: Final = 250_000
"""More than any contender answers in one measurement. If one did, the count of marks would tell."""

SYSTEM_EVENTS: Final = "/readstate.v1.SystemEventService/"


def marks(ids: int) -> Path:
    """A file of calls of MarkRead with `ids` ids each, no id twice; they are sent in order."""
    path = BUILD / f"calls-{ids}.bin"
    if not path.exists():
        if ids == 1:
            write(path, (MarkReadRequest(event_ids=[scattered(n)]) for n in range(MESSAGES)))
        else:
            write(path, (MarkReadRequest(event_ids=block(n, BULK_IDS)) for n in range(EVENTS // BULK_IDS)))
    return path


def request(message: Message, *, name: str = "call") -> Path:
    """A file with this call alone, which is sent again and again."""
    path = BUILD / f"{name}.bin"
    write(path, [message])
    return path


def write(path: Path, calls: Iterable[Message]) -> None:
    """Write calls in the form that the loader reads: each with its length before it."""
    with path.open("wb") as file:
        for call in calls:
            data = call.SerializeToString()
            file.write(_varint(len(data)) + data)


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def call(
    port: int,
    method: str,
    requests: Path,
    tokens: Sequence[str],
    *,
    level: int,
    seconds: float | None = None,
    calls: int | None = None,
    rate: int | None = None,
) -> Load:
    """Call a method for `seconds`, or `calls` times, `level` calls in flight. Every call begun is waited for.

    The calls in flight share the tokens: each has one of its own where there are as many, and one alone takes them in
    turn. Where there is a `rate`, so many are begun in a second.
    """
    command = [*loader(port, requests, tokens), "-method", SYSTEM_EVENTS + method]
    command += ["-level", str(level), "-connections", str(min(level, CONNECTIONS))]
    command += ["-time", f"{seconds}s"] if seconds is not None else ["-calls", str(calls)]
    command += ["-rate", str(rate)] if rate is not None else []
    return Load(**json.loads(run(command, seconds=(seconds or 0) + 60)))


def loader(port: int, requests: Path, tokens: Sequence[str]) -> list[str]:
    """The command, with what it always needs."""
    path = BUILD / f"tokens-{port}-{len(tokens)}.txt"  # another loader may run that has others
    path.write_text("\n".join(tokens))
    return [*build.loader(), "-target", f"127.0.0.1:{port}", "-requests", str(requests), "-tokens", str(path)]
