"""The data folder: where it is, whose it is, and how it is made."""

import fcntl
import os
import re
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from readstate.dev.embedded.program import Refused, process_options, reason
from readstate.dev.embedded.root import chown_to
from readstate.errors import StartupError

ROOT_FOLDER: Final = Path("/var/lib/readstate-dev")
"""Where root's data goes. A home folder would have to be opened to everybody."""
INITDB_SECONDS: Final = 120

_NAME_FILE: Final = "postgres-name"


def data_folder(state: Path) -> Path:
    """Where the data of the environment kept in `state` goes.

    For root that is a folder of its own, whose random name is recorded in `state`.

    Raises:
        StartupError: what is recorded there is no such name.
        OSError: it cannot be recorded or read.
    """
    if os.geteuid() != 0:
        return state / "postgres"
    record = state / _NAME_FILE
    if not record.exists():
        record.write_text(secrets.token_hex(6))
    name = record.read_text().strip()
    if not re.fullmatch(r"[0-9a-z]+", name):
        raise StartupError(f"{record} does not hold the name of a data folder")
    return ROOT_FOLDER / name


def beside(folder: Path, suffix: str) -> Path:
    """A path beside `folder`, for what belongs to it and cannot be inside."""
    return folder.with_name(folder.name + suffix)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process.

    Raises:
        StartupError: another process holds it.
    """
    # The kernel releases the lock when the process ends, however it ends. So the lock cannot be stale.
    with beside(folder, ".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartupError(f"another process is using the database in {folder}") from None
        yield


def initialise(folder: Path, binaries: Path, as_user: Mapping[str, Any]) -> None:
    """Make the data in `folder`, if there is none.

    Raises:
        Refused: something else is in the folder, or initdb fails.
    """
    if (folder / "PG_VERSION").exists():
        return
    if folder.exists() and any(folder.iterdir()):
        raise Refused(f"{folder} is neither empty nor a PostgreSQL data folder")
    # Made beside its place, and moved there when it is complete. So an interrupted initdb leaves nothing behind.
    unfinished = beside(folder, ".new")
    unfinished.mkdir(mode=0o700)
    chown_to(unfinished, as_user)
    # The builtin locale is the same on every system. It depends neither on the environment nor on libc.
    command = [str(binaries / "initdb"), "-D", str(unfinished), "-U", "postgres", "--auth=trust", "--no-instructions"]
    command += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    done = subprocess.run(  # noqa: S603 - our own binary
        command,
        check=False,
        **process_options(unfinished),
        **as_user,
        capture_output=True,
        text=True,
        timeout=INITDB_SECONDS,
    )
    if done.returncode != 0:
        raise Refused(reason(done.stderr) or f"initdb ended with {done.returncode}")
    unfinished.rename(folder)
