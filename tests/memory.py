"""Where the tests' databases are kept: in memory, where there is room for them.

Each test makes a database and drops it: some hundred files. On a disk that takes the kernel ten times as long.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

IN_MEMORY: Final = Path("/dev/shm")
ROOM: Final = 2 << 30
"""Bytes that the databases of several suites leave free. Containers often have 64 MiB there: the disk it is, then."""


def place_of_data() -> str:
    """The folder in which to make one for a database."""
    published = os.environ.get("READSTATE_CHAOS") == "full"  # those figures are of a disk
    if not published and IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free >= ROOM:
        return str(IN_MEMORY)
    return tempfile.gettempdir()


def data_folder(prefix: str) -> "tempfile.TemporaryDirectory[str]":
    """A new folder for the data of a PostgreSQL, removed on leaving."""
    return tempfile.TemporaryDirectory(prefix=prefix, dir=place_of_data())
