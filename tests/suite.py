"""One suite of tests: a process whose output is kept in a file until it is shown."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

STOP_SECONDS: Final = 30
"""Within which an interrupted suite has stopped its servers and databases."""
POLL_SECONDS: Final = 0.1


@dataclass(frozen=True)
class Suite:
    """`environment` comes on top of that of this process."""

    name: str
    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]


class Run:
    """A suite that has been started."""

    def __init__(self, suite: Suite, process: "subprocess.Popen[bytes]", output: IO[bytes]) -> None:
        self.name = suite.name
        self._process = process
        self._output = output

    @property
    def failed(self) -> bool:
        return self._process.wait() != 0

    def show(self) -> None:
        """Print what the suite has said, and what it says until it ends."""
        print(f"\n── {self.name} ──", flush=True)
        ended = False
        while not ended:
            ended = self._process.poll() is not None
            sys.stdout.buffer.write(self._output.read())
            sys.stdout.buffer.flush()
            if not ended:
                time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Interrupt all of it, as a terminal would: each process then stops what it has started."""
        with _uninterrupted(), suppress(ProcessLookupError):
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
            os.killpg(self._process.pid, signal.SIGKILL)


@contextmanager
def running(suite: Suite) -> Iterator[Run]:
    """Start the suite in a process group of its own. What is left of it on leaving is stopped."""
    with tempfile.NamedTemporaryFile(prefix="readstate-suite-") as written, open(written.name, "rb") as read:
        process = subprocess.Popen(
            suite.command,
            cwd=suite.folder,
            env={**_environment(), **suite.environment},
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        run = Run(suite, process, read)
        try:
            yield run
        finally:
            run.stop()


def _environment() -> dict[str, str]:
    environment = dict(os.environ)
    if sys.stdout.isatty():
        # The suite writes to a file: it cannot see the terminal by itself.
        environment |= {"FORCE_COLOR": "1", "COLUMNS": str(shutil.get_terminal_size().columns)}
    return environment


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Nobody's second Ctrl-C leaves a database behind."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
