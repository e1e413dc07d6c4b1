"""docs/reliability.md has the rows that exist, and their last results."""

from tests.chaos.page import PAGE, rendered, rows
from tests.chaos.report import results


def test_the_table_has_a_line_for_every_row_with_its_last_results() -> None:
    page = PAGE.read_text()
    assert page == rendered(page), "run python -m tests.chaos.page"
    assert all(f"| {row.name} |" in page for row in rows())


def test_there_are_results_of_no_other_rows() -> None:
    assert results().keys() <= {row.name for row in rows()}


def test_names_are_given_once() -> None:
    names = [row.name for row in rows()]
    assert len(names) == len(set(names))
