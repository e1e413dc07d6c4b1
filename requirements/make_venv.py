"""Makes .venv from the lock file: `python requirements/make_venv.py VENV STAMP`. Called by make, from the root.

STAMP is written last, so an interrupted install is begun anew. The lock lets `make run` and `make test` start at the
same time in a fresh clone: the second one waits and finds the work done.
"""

import fcntl
import os
import re
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final

LOCKS: Final = (Path("requirements/dev.txt"), Path("requirements/protoc.txt"))
SOURCES: Final = (*LOCKS, Path("pyproject.toml"))
WIDTH: Final = 30
"""Characters of the bar."""


def is_current(stamp: Path) -> bool:
    return stamp.exists() and all(source.stat().st_mtime <= stamp.stat().st_mtime for source in SOURCES)


def install(folder: Path) -> None:
    venv.create(folder, clear=True, with_pip=True, symlinks=True)
    # The lock files name everything, so pip has nothing to resolve. What is imported is compiled then. The two save a
    # third of the time.
    quick = ["--disable-pip-version-check", "--no-deps", "--no-compile"]
    pip = [folder / "bin" / "python", "-m", "pip", "install", *quick]
    locked = [word for lock in LOCKS for word in ("-r", lock)]
    with Progress(folder) as progress:
        progress.follow([*pip, "--progress-bar", "off", "--require-hashes", *locked])
    # The build backend came from the lock file: nothing is fetched for this step.
    subprocess.run([*pip, "--quiet", "--no-build-isolation", "--editable", "."], check=True)


class Progress:
    """A bar on a terminal, with an estimate: each package is collected first, and then installed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._steps = 2 * sum(len(re.findall(r"^[a-zA-Z]", lock.read_text(), re.MULTILINE)) for lock in LOCKS)
        self._collected = 0
        self._terminal = sys.stderr.isatty()

    def __enter__(self) -> "Progress":
        self._started = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        if self._terminal:
            print(file=sys.stderr)

    def follow(self, command: Sequence[str | Path]) -> None:
        """Run pip to its end.

        Raises:
            CalledProcessError: pip failed; what it said is on standard error.
        """
        with tempfile.TemporaryFile("w+") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
            try:
                while process.poll() is None:
                    self._show(log)
                    time.sleep(0.2)
            finally:
                process.kill()
            if process.returncode:
                log.seek(0)
                print("\n" + "".join(log.readlines()[-20:]), end="", file=sys.stderr)
                raise subprocess.CalledProcessError(process.returncode, [str(word) for word in command])
            self._show(log)

    def _show(self, log: IO[str]) -> None:
        if not self._terminal:
            return
        # pip writes at the end of the file, wherever it was read last.
        self._collected = os.pread(log.fileno(), 1 << 24, 0).count(b"Collecting ")
        installed = sum(1 for _ in self._folder.glob("lib/python*/site-packages/*.dist-info"))
        done = min(1.0, (self._collected + installed) / self._steps)
        seconds = time.monotonic() - self._started
        left = f"about {seconds / done * (1 - done):.0f} s left" if done > 0.05 else ""
        bar = "#" * round(done * WIDTH)
        print(f"\r  [{bar:-<{WIDTH}}] {done:4.0%}  {left:<20}", end="", file=sys.stderr, flush=True)


def main(folder: Path, stamp: Path) -> None:
    with folder.with_name(folder.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_current(stamp):
            print(f"making {folder} from {LOCKS[0]}: once, about a minute", flush=True)
            install(folder)
            stamp.touch()


if __name__ == "__main__":
    try:
        main(*map(Path, sys.argv[1:]))
    except subprocess.CalledProcessError as error:
        sys.exit(f"could not make the virtual environment: pip ended with {error.returncode}; its reason is above")
    except KeyboardInterrupt:
        sys.exit(130)
