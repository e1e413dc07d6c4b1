"""Any mix of calls at the same time, on several servers, does what sets do."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from readstate.config import DatabaseSettings, load
from readstate.store import pool
from readstate.store.inbox import pages
from readstate.store.pool import Database
from readstate.store.read_cursor import lock, tidy
from readstate.store.retention import events, marks, pace
from tests.store.data import Connection
from tests.store.histories.check import check
from tests.store.histories.faults import FAULTS, NAPS, Fault
from tests.store.histories.run import WEIGHTS, Program, random_program, run

HISTORIES = int(os.environ.get("READSTATE_HISTORIES", "10"))
"""How many histories are made. The default is for every day; CONTRIBUTING.md says when to make a thousand."""

TRIES = 600
"""Histories of about 0.1 s in which a planted fault has to show. Most show in the first."""

STEPS = st.tuples(
    st.sampled_from([op for op, weight in WEIGHTS.items() for _ in range(weight)]), st.integers(0, 2**32 - 1)
)
PROGRAMS = st.lists(st.lists(STEPS, min_size=12, max_size=24), min_size=6, max_size=8)


@pytest.fixture
async def servers(database_url: str) -> AsyncIterator[list[Database]]:
    """Two servers' ways to the database."""
    async with AsyncExitStack() as stack:
        chosen = load(DatabaseSettings, database_url=database_url, pool_size=6)
        yield [await stack.enter_async_context(pool.connect(chosen)) for _ in range(2)]


@pytest.fixture(autouse=True)
def _small_and_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes a thousand rows takes a few, and what rarely meets meets often."""
    monkeypatch.setattr(pages, "ROWS_LOOKED_AT", 2)
    sizes: list[tuple[object, str, float]] = [
        (tidy, "MANY_ROWS", 3),
        (tidy, "ROWS_PER_STEP", 4),
        (tidy, "FULL", 4),
        (tidy, "MANY_RANGES", 6),
        (tidy, "CURSORS_PER_PAGE", 3),
        (lock, "ROWS_PER_STEP", 2),
        (events, "EVENTS_PER_STEP", 3),
        (marks, "CURSORS_PER_PAGE", 3),
        (marks, "CURSORS_PER_STEP", 2),
        (marks, "COUNTED_PER_STEP", 3),
        (pace, "REST", 0),
    ]
    for module, name, size in sizes:
        monkeypatch.setattr(module, name, size)
    for nap in NAPS:
        nap.plant(monkeypatch)


# Histories differ from run to run, so there is nothing to shrink and nothing to remember.
@settings(
    max_examples=HISTORIES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
    database=None,
)
@given(program=PROGRAMS)
async def test_every_reply_is_what_sets_say(connection: Connection, servers: list[Database], program: Program) -> None:
    assert check(await run(servers, connection, program)) == []


@pytest.mark.parametrize("postgres_server", ["embedded"], indirect=True)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_a_planted_fault_shows(
    connection: Connection, servers: list[Database], monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    fault.plant(monkeypatch)
    for seed in range(TRIES):
        if check(await run(servers, connection, random_program(seed, 8, 20, fault.ops), staying=1)):
            return
    pytest.fail(f"{TRIES} histories show nothing")
