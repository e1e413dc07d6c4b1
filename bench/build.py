"""Builds the peers. What is up to date is left alone."""

import shutil
import sys
import venv
from pathlib import Path
from typing import Final

from bench.plan import BENCH, BUILD
from bench.processes import run
from bench.tools import program

PEERS: Final = BENCH / "peers"
SECONDS: Final = 300


def go() -> list[str]:
    """The command of the Go peer."""
    binary = BUILD / "go-peer"
    run(
        [program("go"), "build", "-trimpath", "-o", str(binary), "."],
        cwd=PEERS / "go",
        seconds=SECONDS,
        ours={"CGO_ENABLED": "0"},
    )
    return [str(binary)]


def express() -> list[str]:
    """The command of the Express peer."""
    folder = PEERS / "express"
    installed = folder / "node_modules" / ".package-lock.json"
    if _is_older(installed, folder / "package-lock.json"):
        run([program("npm"), "ci", "--silent", "--no-audit", "--no-fund"], cwd=folder, seconds=SECONDS)
    node = shutil.which("node", path=f"{Path(program('npm')).parent}") or "node"
    return [node, str(folder / "server.js")]


def fastapi() -> list[str]:
    """The command of the FastAPI peer, which has a virtual environment of its own."""
    folder = BUILD / "fastapi"
    wanted = PEERS / "fastapi" / "requirements.txt"
    stamp = folder / ".installed"
    python = folder / "bin" / "python"
    if _is_older(stamp, wanted):
        venv.create(folder, clear=True, with_pip=True, symlinks=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        run([*pip, "-r", str(wanted)], seconds=SECONDS)
        stamp.touch()
    return [str(python), str(PEERS / "fastapi" / "server.py")]


def naive() -> list[str]:
    """The command of the naive Python peer."""
    return [sys.executable, str(PEERS / "naive" / "server.py")]


def _is_older(made: Path, source: Path) -> bool:
    return not made.exists() or made.stat().st_mtime < source.stat().st_mtime
