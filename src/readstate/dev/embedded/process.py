"""The server's process, and the folder of its socket."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from readstate.dev.embedded.program import Refused, process_options, reason
from readstate.dev.embedded.root import chown_to

START_SECONDS: Final = 60
"""Enough to replay the log after a crash."""
STOP_SECONDS: Final = 3
"""A fast shutdown writes a checkpoint. If it takes longer, an immediate shutdown follows, and the next start
recovers."""

SOCKET_PREFIX: Final = "readstate-"
POLL_SECONDS: Final = 0.02

_LONGEST_SOCKET: Final = 100
"""`sun_path` holds 103 bytes on macOS, 107 on Linux."""


@contextmanager
def socket_folder(as_user: Mapping[str, Any]) -> Iterator[Path]:
    """A new folder for the server's socket, removed on leaving."""
    # Why a folder of its own: a path in the data folder may be too long for a socket. And every connection is trusted,
    # so the mode 0700 keeps other users out.
    base = tempfile.gettempdir()
    if len(os.fsencode(base)) + len(f"/{SOCKET_PREFIX}12345678/.s.PGSQL.5432") > _LONGEST_SOCKET:
        base = "/tmp"  # noqa: S108 - mkdtemp makes a folder that nobody else can enter
    sockets = Path(tempfile.mkdtemp(prefix=SOCKET_PREFIX, dir=base))
    try:
        chown_to(sockets, as_user)
        yield sockets
    finally:
        shutil.rmtree(sockets, ignore_errors=True)


@contextmanager
def running_postgres(
    folder: Path, sockets: Path, binaries: Path, as_user: Mapping[str, Any], settings: Mapping[str, str]
) -> Iterator[None]:
    """Run the server, from when it is ready.

    Raises:
        Refused: it does not start.
    """
    parameters = {"listen_addresses": "", "unix_socket_directories": f'"{sockets}"', "port": "5432"}
    parameters |= {"timezone": "UTC", "log_timezone": "UTC", **settings}
    command = [str(binaries / "postgres"), "-D", str(folder)]
    for name, value in parameters.items():
        command += ["-c", f"{name}={value}"]
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own binary
            command, **process_options(folder), **as_user, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _wait_until_ready(process, folder, log)
        yield
    finally:
        _stop(process)


def _wait_until_ready(process: subprocess.Popen[bytes], folder: Path, log: Path) -> None:
    ends_at = time.monotonic() + START_SECONDS
    while time.monotonic() < ends_at:
        if process.poll() is not None:
            raise Refused(f"{reason(log.read_text(errors='replace'))} (log: {log})")
        with suppress(FileNotFoundError):
            lines = (folder / "postmaster.pid").read_text().splitlines()
            # The eighth line is the state, as pg_ctl reads it.
            if len(lines) > 7 and lines[0] == str(process.pid) and lines[7].strip() == "ready":
                return
        time.sleep(POLL_SECONDS)
    raise Refused(f"it was not ready after {START_SECONDS} seconds (log: {log})")


def _stop(process: subprocess.Popen[bytes]) -> None:
    # Fast, then immediate, then without asking.
    for how, seconds in (signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 1):
        process.send_signal(how)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=seconds)
            return
    process.kill()
    process.wait()
