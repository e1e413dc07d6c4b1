"""The sum of `readstate size`, and its units in the page that shows it."""

from dataclasses import fields
from pathlib import Path

import pytest

from readstate.sizing import BUSY, FREE, UNITS, Load, Units, lines, size

PAGE = Path(__file__).resolve().parents[2] / "docs" / "sizing.md"
ONES = Units(*[1.0] * len(fields(Units)))


def test_members_see_the_events_of_one_organisation() -> None:
    found = size(Load(1_000, 100, 0, organizations=10, days_kept=30, read_one_by_one=0.5), ONES)
    assert (found.events, found.marks_a_day, found.marks) == (3_000, 5_000, 150_000)
    assert found.disk_bytes == pytest.approx((3_000 + 150_000 + 1_000) / (1 - FREE))
    assert found.wal_bytes_a_day == 5_100


def test_calls_take_cores_that_are_not_always_busy() -> None:
    found = size(Load(1, 0, 500_000), ONES)
    assert found.server_cores == found.database_cores == 0.5 / BUSY
    assert found.wal_bytes_a_second == 500_000


def test_twice_the_load_takes_twice_as_much() -> None:
    one, two = size(Load(10_000, 1_000, 5_000)), size(Load(20_000, 1_000, 10_000))
    assert two.mark_bytes == 2 * one.mark_bytes
    assert two.server_cores == 2 * one.server_cores


def test_the_page_shows_the_units_and_what_the_command_prints() -> None:
    page = PAGE.read_text()
    for unit in fields(Units):
        assert f"| `{unit.name}` | {getattr(UNITS, unit.name):g} |" in page
    assert "\n".join(lines(Load(100_000, 2_000, 5_000, organizations=100))) in page
