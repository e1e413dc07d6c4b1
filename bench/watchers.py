"""Streams that are held open by the loader, a process of its own, which says when they hear of an event."""

import json
import select
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from bench import load_grpc
from bench.calls import new_event
from bench.errors import BenchError
from bench.plan import BUILD
from bench.processes import environment
from readstate.v1 import system_events_pb2 as pb

LONGEST_ANSWER: Final = 120.0
"""Seconds. The loader gives up before."""


class Watchers:
    """One process of them."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def open(self, streams: int) -> float:
        """Open so many more, and wait until each has had its first message; returns the seconds."""
        return float(self._ask(f"open {streams}")["seconds"])

    def record(self, seconds: int) -> dict[str, float]:
        """Record events for so long, each when all have heard of the one before.

        Returns `p50_ms`, `p99_ms` and `most_ms`: from a record's reply until a watcher has heard of it.
        """
        return self._ask(f"record {seconds}")

    def _ask(self, command: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], LONGEST_ANSWER)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            raise BenchError(f"the watchers do not answer to {command!r}; their log is build/watchers.log")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def watchers(protocol: str, port: int, tokens: Sequence[str], *, producer: str, org_id: str) -> Iterator[Watchers]:
    """Start the process. Its streams are of the members with these tokens in turn, and leave with it.

    `protocol`: grpc, or sse.
    """
    request = load_grpc.request(pb.RecordSystemEventsRequest(org_id=org_id, events=[new_event()]), name="record")
    command = [*load_grpc.loader(port, request, [*tokens, producer]), "-watch", protocol]
    with (BUILD / "watchers.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env=environment({}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    try:
        yield Watchers(process)
    finally:
        process.kill()
        process.wait()
        for pipe in process.stdin, process.stdout:
            assert pipe is not None
            pipe.close()
