"""PgBouncer in transaction mode before a PostgreSQL, with fewer connections than its clients have."""

import asyncio
import os
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from readstate.dev.embedded import ROOT_USER
from tests.acceptance.processes import free_port
from tests.chaos.listening import listening
from tests.tools import tool

CONNECTIONS: Final = 4
"""To the database. The pool of a server has eight."""

CONFIGURATION: Final = """
[databases]
{name} = host={sockets} port=5432 dbname={name} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {connections}
server_login_retry = 0
"""


@dataclass
class PgBouncer:
    """Where it listens, and how it is ended and started again."""

    url: str
    command: list[str]
    folder: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    async def start(self) -> None:
        # It does not run as root, and has to enter the socket's folder: so it runs as PostgreSQL does.
        as_user: dict[str, Any] = {"user": ROOT_USER, "extra_groups": []} if os.geteuid() == 0 else {}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, cwd=self.folder, **as_user)  # noqa: ASYNC220
        await listening(self.port)

    async def stop(self) -> None:
        """As in a crash: whoever is connected is cut off."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(self.process.wait, 10)


@asynccontextmanager
async def pooling(database_url: str) -> AsyncIterator[PgBouncer]:
    """It, before this database, from when it takes connections."""
    with tempfile.TemporaryDirectory(prefix="readstate-pgbouncer-") as folder:
        bouncer = _configured(database_url, Path(folder))
        await bouncer.start()
        try:
            yield bouncer
        finally:
            await bouncer.stop()


def _configured(database_url: str, folder: Path) -> PgBouncer:
    program = tool("pgbouncer", "/usr/sbin/pgbouncer", required_by="PGBOUNCER")
    port, database = free_port(), urlsplit(database_url)
    name, (sockets,) = database.path.lstrip("/"), parse_qs(database.query)["host"]
    folder.chmod(0o755)
    file = folder / "pgbouncer.ini"
    file.write_text(CONFIGURATION.format(name=name, sockets=sockets, port=port, connections=CONNECTIONS))
    return PgBouncer(f"postgresql://postgres@127.0.0.1:{port}/{name}", [program, str(file)], folder, port)
