"""Processes of the benchmark: started, waited for, and ended with it."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from bench.errors import BenchError
from bench.plan import BUILD, ROOT

_PR_SET_PDEATHSIG: Final = 1
"""From Linux's sys/prctl.h."""

START_SECONDS: Final = 30
STOP_SECONDS: Final = 4

# What would configure a contender behind our back.
_FOREIGN: Final = ("READSTATE_", "PG", "BENCH_", "GOMAXPROCS", "NODE_OPTIONS", "UV_", "PYTHON")


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)} | dict(ours)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def run(command: Sequence[str], *, seconds: float, cwd: Path = ROOT, ours: Mapping[str, str] = {}) -> str:
    """Run a command to its end and return what it printed.

    Raises:
        BenchError: it failed, or took longer than `seconds`.
    """
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            command, cwd=cwd, env=environment(ours), capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise BenchError(f"{name} did not end within {seconds:.0f} s") from None
    if done.returncode != 0:
        raise BenchError(f"{name} ended with {done.returncode}: {_last_line(done.stderr or done.stdout)}")
    return done.stdout


@contextmanager
def serving(name: str, command: Sequence[str], port: int, ours: Mapping[str, str]) -> Iterator[int]:
    """Run a server while inside, from when `port` is open; yields its process id.

    Raises:
        BenchError: it ended, or opened no port in time.
    """
    log = BUILD / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(ours),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C in the terminal is for us; we end the servers
            preexec_fn=_end_with_us,
        )
    try:
        _wait_until_open(name, process, port, log)
        yield process.pid
    finally:
        _end(process)


def _end_with_us() -> None:
    # Linux alone can say it: also when we are killed, and can end nothing ourselves.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _wait_until_open(name: str, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    ends_at = time.monotonic() + START_SECONDS
    while time.monotonic() < ends_at:
        if process.poll() is not None:
            raise BenchError(f"{name} ended with {process.returncode}: {_last_line(log.read_text(errors='replace'))}")
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise BenchError(f"{name} did not listen within {START_SECONDS} s; its log is {log.relative_to(ROOT)}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    for how in signal.SIGTERM, signal.SIGKILL:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
            return


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
