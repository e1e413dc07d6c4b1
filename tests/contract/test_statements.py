"""Rules of `store/__init__.py` that the text of the statements shows."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

STORE = Path(__file__).resolve().parents[2] / "src" / "readstate" / "store"
FILES = sorted(STORE.rglob("*.py"))

# `ctid` alone names a row in each partition. Beside the table it names one. The array is what the planner scans by. A
# range of pages is meant in each partition.
NAMED = re.compile(
    r"tableoid AS part, ctid AS place"
    r"|ctid = ANY \(ARRAY \(SELECT place FROM (\w+)\)\)"
    r" AND \(\(tableoid, ctid\) IN \(SELECT part, place FROM \1\)\) IS TRUE"
    r"|m\.ctid >= \$1::tid AND m\.ctid < \$2::tid"
)


def statements(path: Path) -> Iterator[str]:
    """Every text of a file but its docstrings, with single spaces."""
    tree = ast.parse(path.read_text())
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield " ".join(node.value.split())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(STORE)))
def test_no_statement_names_a_row_by_its_ctid_alone(path: Path) -> None:
    assert [text for text in statements(path) if "ctid" in NAMED.sub("", text)] == []


def test_some_statements_name_rows_by_their_place() -> None:
    assert any("ctid" in text for path in FILES for text in statements(path))
