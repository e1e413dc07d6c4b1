"""A PostgreSQL of its own for each test, to be stopped, stalled and killed, and a server on it."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest

from readstate.dev import embedded
from readstate.dev.embedded.program import find_binaries, process_options
from readstate.dev.embedded.root import chown_to, unprivileged
from tests.memory import data_folder

TERMINATE = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
 WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


class Postgres:
    """An embedded PostgreSQL that comes back with the same data at the same URL."""

    def __init__(self, folder: Path) -> None:
        self._data = folder / "data"
        self.sockets = folder / "now"
        self._running = ExitStack()

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={self.sockets}&port=5432"

    @property
    def conninfo(self) -> str:
        """What a standby follows it with."""
        return f"host={self.sockets} port=5432 user=postgres"

    def start(self) -> None:
        url = self._running.enter_context(embedded.postgres(self._data, settings={"max_connections": "100"}))
        host = parse_qs(urlsplit(url).query)["host"][0]
        self.sockets.unlink(missing_ok=True)
        self.sockets.symlink_to(host)

    def stop(self) -> None:
        self._running.close()

    def start_as_standby(self) -> None:
        """Follow the server that the setting `primary_conninfo` names, from where this one was stopped."""
        request = self._data / "standby.signal"
        request.touch()
        chown_to(request, unprivileged(self._data.parent, find_binaries()))
        self.start()

    def standby(self, folder: Path) -> "Postgres":
        """A copy of this server that follows it, in a new folder. It is not started yet."""
        copy = Postgres(folder)
        binaries = find_binaries()
        as_user = unprivileged(folder, binaries)
        copy._data.mkdir(mode=0o700)
        chown_to(copy._data, as_user)
        command = [str(binaries / "pg_basebackup"), "--dbname", self.conninfo, "--pgdata", str(copy._data)]
        command += ["--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
        options = {**process_options(folder), **as_user}
        subprocess.run(command, **options, check=True, capture_output=True, timeout=60)
        return copy

    def _processes(self) -> list[psutil.Process]:
        postmaster = psutil.Process(int((self._data / "postmaster.pid").read_text().split("\n")[0]))
        return [postmaster, *postmaster.children(recursive=True)]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server and all its backends."""
        for process in self._processes():
            try:
                os.kill(process.pid, number)
            except ProcessLookupError:
                continue


@pytest.fixture
def postgres_of_its_own() -> Iterator[Postgres]:
    with data_folder("readstate-faults-") as folder:
        # PostgreSQL runs as another user under root.
        Path(folder).chmod(0o755)
        server = Postgres(Path(folder))
        server.start()
        yield server
        server.stop()


@pytest.fixture
def database_url(postgres_of_its_own: Postgres) -> str:
    return postgres_of_its_own.url
