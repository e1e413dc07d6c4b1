"""A PostgreSQL of its own for each test, to be stopped, stalled and killed, and a server on it."""

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest

from readstate.dev import embedded

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

    def start(self) -> None:
        url = self._running.enter_context(embedded.postgres(self._data, settings={"max_connections": "100"}))
        host = parse_qs(urlsplit(url).query)["host"][0]
        self.sockets.unlink(missing_ok=True)
        self.sockets.symlink_to(host)

    def stop(self) -> None:
        self._running.close()

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
    with tempfile.TemporaryDirectory(prefix="readstate-faults-") as folder:
        # PostgreSQL runs as another user under root.
        Path(folder).chmod(0o755)
        server = Postgres(Path(folder))
        server.start()
        yield server
        server.stop()


@pytest.fixture
def database_url(postgres_of_its_own: Postgres) -> str:
    return postgres_of_its_own.url
