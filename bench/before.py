"""An earlier commit of this repository, beside which ours is measured: its code, and a database with its schema.

It runs with the libraries of this checkout. So what differs is our code alone.
"""

import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.database import Database
from bench.plan import BUILD
from bench.processes import run
from bench.site import Site


@dataclass(frozen=True)
class Earlier:
    """An earlier release."""

    commit: str
    site: Site
    source: Path


@contextmanager
def earlier(commit: str, site: Site) -> Iterator[Earlier]:
    """Yields the commit's code, and a site with a database of its own beside ours.

    Raises:
        BenchError: there is no such commit, or it cannot migrate a database.
    """
    commit = run(["git", "rev-parse", "--short", "--verify", f"{commit}^{{commit}}"], seconds=10).strip()
    source = _extracted(commit)
    with site.database.empty("bench_before") as database:
        _migrate(database, source)
        database.load()
        yield Earlier(commit, Site(database, site.secret), source)


def _extracted(commit: str) -> Path:
    folder = BUILD / f"before-{commit}"
    if not folder.exists():
        archive = BUILD / "before.tar"
        run(["git", "archive", f"--output={archive}", commit, "src"], seconds=60)
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        archive.unlink()
    return folder / "src"


def _migrate(database: Database, source: Path) -> None:
    settings = {"READSTATE_DATABASE_URL": database.url, "PYTHONPATH": str(source)}
    run([sys.executable, "-m", "readstate", "migrate"], seconds=60, ours=settings)
