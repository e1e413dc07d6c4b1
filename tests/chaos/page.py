"""Writes the table of docs/reliability.md: `python -m tests.chaos.page`."""

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from tests.chaos.report import ENGINES, RESULTS, Row, results

PAGE: Final = Path(__file__).parents[2] / "docs" / "reliability.md"
_PLACE: Final = re.compile(r"(<!-- chaos -->\n).*?(<!-- /chaos -->)", re.DOTALL)


def rows() -> Iterator[Row]:
    """Every row that exists, in the order of their files."""
    for file in sorted(Path(__file__).parent.glob("test_*.py")):
        module = import_module(f"tests.chaos.{file.stem}")
        yield from (value.row for value in vars(module).values() if isinstance(getattr(value, "row", None), Row))


def rendered(page: str) -> str:
    """The page, with the table that rows and results make now."""
    found = results()
    lines = [["row", "injected", "expected", *ENGINES], ["---"] * (3 + len(ENGINES))]
    for row in rows():
        cells = (_cell(found.get(row.name, {}).get(engine)) for engine in ENGINES)
        lines.append([row.name, row.injected, row.expected, *cells])
    table = "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)
    return _PLACE.sub(lambda place: place[1] + table + place[2], page)


def _cell(result: Mapping[str, Any] | None) -> str:
    if result is None:
        return "not run"
    version = "" if result["full"] else "short: "
    unmet = f" **Not met: {'; '.join(result['unmet'])}.**" if result["unmet"] else ""
    return f"{version}{'; '.join(result['measured'])}.{unmet}"


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text()))
    print(f"{RESULTS.name} → {PAGE.name}")
