"""A trial for each row on each engine, and a PostgreSQL that rows may break."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.chaos.report import ENGINES, Report, keep
from tests.chaos.trial import Trial
from tests.faults.conftest import Postgres
from tests.memory import data_folder

VERSION = os.environ.get("READSTATE_CHAOS")
"""`full` or `short` where `make chaos` runs, which keeps the results; else the short version runs and leaves none."""


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def trial(engine: str, request: pytest.FixtureRequest) -> AsyncIterator[Trial]:
    report, full = Report(), VERSION == "full"
    async with AsyncExitStack() as stack:
        yield Trial(engine, report, stack, full=full)
    if VERSION and report.found_anything:
        keep(request.function.row.name, engine, report, full=full)


@pytest.fixture(scope="session")
def breakable_postgres() -> Iterator[Postgres]:
    """One for all rows that stop, stall and kill it. Each starts it again."""
    with data_folder("readstate-chaos-") as folder:
        Path(folder).chmod(0o755)  # under root PostgreSQL runs as another user
        server = Postgres(Path(folder))
        server.start()
        yield server
        server.stop()


@pytest.fixture
async def breakable_url(breakable_postgres: Postgres) -> AsyncIterator[str]:
    """An empty database on it."""
    name = f"chaos_{uuid4().hex}"
    await _execute(breakable_postgres.url, f"CREATE DATABASE {name}")
    yield breakable_postgres.url.replace("/postgres?", f"/{name}?")
    await _execute(breakable_postgres.url, f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(url: str, statement: str, *args: Any) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement, *args)
    finally:
        await connection.close()
