"""A disk that takes 2 ms more for each flush, while it is asked to: a library that is preloaded into PostgreSQL."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench import build
from bench.tools import find

FLUSH_SECONDS: Final = 0.002
"""What a flush takes more, in slow_disk.c."""
_VARIABLES: Final = ("LD_PRELOAD", "BENCH_SLOW_DISK")


class SlowDisk:
    """What PostgreSQL is started with, and the switch."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @contextmanager
    def preloaded(self) -> Iterator[None]:
        """Programs that are started while inside have the library. Without a C compiler there is none."""
        if self._folder is None:
            yield
            return
        os.environ |= dict(zip(_VARIABLES, map(str, (build.slow_disk(self._folder), self._flag)), strict=True))
        try:
            yield
        finally:
            for name in _VARIABLES:
                del os.environ[name]

    @contextmanager
    def slow(self) -> Iterator[None]:
        """Flushes take longer while inside."""
        self._flag.touch()
        try:
            yield
        finally:
            self._flag.unlink()

    @property
    def _flag(self) -> Path:
        assert self._folder is not None, "the C compiler was looked for before"
        return self._folder / "slow"


@contextmanager
def slow_disk() -> Iterator[SlowDisk]:
    """Yields the switch, in a folder that PostgreSQL's user can read."""
    if find("cc") is None:
        yield SlowDisk(None)
        return
    folder = Path(tempfile.mkdtemp(prefix="readstate-bench-"))
    try:
        folder.chmod(0o755)
        yield SlowDisk(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
