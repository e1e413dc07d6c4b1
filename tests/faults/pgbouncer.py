"""Debian's PgBouncer, which is older than 1.21: in transaction mode it loses prepared statements."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.tools import tool

SETTINGS = """
[databases]
* = host={sockets} port=5432

[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = {folder}
auth_type = trust
auth_file = {folder}/users
pool_mode = {mode}
default_pool_size = {connections}
server_login_retry = 0
"""
SOCKET = ".s.PGSQL.6432"


class PgBouncer:
    """A PgBouncer in front of a server: it can be stopped or killed, and started in another mode."""

    def __init__(self, folder: Path, database_url: str, connections: int) -> None:
        parts = urlsplit(database_url)
        self._program = tool("pgbouncer", required_by="PGBOUNCER")
        self._folder = folder
        self._connections = connections
        self._sockets = parse_qs(parts.query)["host"][0]
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"postgresql://postgres@{parts.path}?host={folder}&port=6432"

    def start(self, mode: str) -> None:
        """Run it in this `pool_mode`."""
        settings = SETTINGS.format(folder=self._folder, sockets=self._sockets, mode=mode, connections=self._connections)
        (self._folder / "pgbouncer.ini").write_text(settings)
        (self._folder / "users").write_text('"postgres" ""\n')
        with (self._folder / "log").open("wb") as log:
            command = [self._program, str(self._folder / "pgbouncer.ini")]
            self._process = subprocess.Popen(command, **self._user(), stdout=log, stderr=log)
        while not (self._folder / SOCKET).exists():
            assert self._process.poll() is None, (self._folder / "log").read_text()
            time.sleep(0.02)

    def _user(self) -> dict[str, Any]:
        # It does not run as root, and only PostgreSQL's user may enter the folder of the socket.
        if os.geteuid() != 0:
            return {}
        owner = Path(self._sockets).stat()
        os.chown(self._folder, owner.st_uid, owner.st_gid)
        return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(10)
            (self._folder / SOCKET).unlink(missing_ok=True)


@contextmanager
def pgbouncer(database_url: str, mode: str, *, connections: int = 20) -> Iterator[PgBouncer]:
    """Run it in front of the server of `database_url`, to which it opens so many connections at most."""
    with tempfile.TemporaryDirectory(prefix="readstate-pgbouncer-") as folder:
        running = PgBouncer(Path(folder), database_url, connections)
        running.start(mode)
        try:
            yield running
        finally:
            running.stop()
