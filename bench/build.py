"""Builds the peers and the load generator. What is up to date is left alone."""

import functools
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
    return _go(PEERS / "go", "go-peer")


@functools.cache
def loader() -> list[str]:
    """The command of the load generator for gRPC."""
    return _go(BENCH / "loader", "loader")


def _go(source: Path, name: str) -> list[str]:
    binary = BUILD / name
    run(
        [program("go"), "build", "-trimpath", "-o", str(binary), "."],
        cwd=source,
        seconds=SECONDS,
        ours={"CGO_ENABLED": "0"},
    )
    return [str(binary)]


def slow_disk(folder: Path) -> Path:
    """The library that makes flushes slow, in `folder`."""
    library = folder / "slow_disk.so"
    source = BENCH / "slow_disk.c"
    run([program("cc"), "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", str(library), str(source)], seconds=60)
    return library


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
