"""A second PostgreSQL: the one that Debian packages, which is older than the embedded one."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.memory import place_of_data

DEBIAN_BINARIES = Path("/usr/lib/postgresql")


def debian_binaries() -> Path | None:
    """The programs of the newest PostgreSQL that Debian's packages have installed."""
    found = [path for path in DEBIAN_BINARIES.glob("*/bin") if (path / "initdb").exists()]
    return max(found, key=lambda path: int(path.parent.name), default=None)


@contextmanager
def debian_postgres(binaries: Path, settings: Mapping[str, str]) -> Iterator[str]:
    """Run it in a folder of its own, and yield the URL of database `postgres`."""
    folder = Path(tempfile.mkdtemp(prefix="readstate-debian-", dir=place_of_data()))
    as_user: dict[str, Any] = {}
    if os.geteuid() == 0:  # PostgreSQL does not run as root
        entry = pwd.getpwnam("postgres")
        os.chown(folder, entry.pw_uid, entry.pw_gid)
        as_user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    options: dict[str, Any] = {"cwd": folder, "env": {"LC_ALL": "C", "TZ": "UTC"}, **as_user}
    initdb = [str(binaries / "initdb"), "-D", str(folder / "data"), "-U", "postgres", "--auth=trust"]
    initdb += ["--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
    subprocess.run(initdb, **options, check=True, capture_output=True)
    command = [str(binaries / "postgres"), "-D", str(folder / "data"), "-c", f"unix_socket_directories={folder}"]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(command, **options, stdout=log, stderr=log)
    try:
        _wait_for(folder, server)
        yield f"postgresql://postgres@/postgres?host={quote(str(folder), safe='')}&port=5432"
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder)


def _wait_for(folder: Path, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        assert server.poll() is None, (folder / "server.log").read_text()
        pid_file = folder / "data" / "postmaster.pid"
        if pid_file.exists() and pid_file.read_text().rstrip().endswith("ready"):
            return
        time.sleep(0.05)
    raise AssertionError((folder / "server.log").read_text())
