"""What a row of the suite injects, expects and has measured, and the file that keeps the last results."""

import functools
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, ParamSpec

import pytest

RESULTS: Final = Path(__file__).with_name("results.json")
ENGINES: Final = ("grpcio", "native")

P = ParamSpec("P")


@dataclass(frozen=True)
class Row:
    """A line of the table in docs/reliability.md."""

    name: str
    injected: str
    """Of the full version. The short one does less of the same."""
    expected: str


@dataclass
class Report:
    """What one run of a row has found."""

    measured: list[str] = field(default_factory=list)
    unmet: list[str] = field(default_factory=list)
    """Expectations that were not met; none for a row that is green."""

    @property
    def found_anything(self) -> bool:
        """Not so where the row was skipped."""
        return bool(self.measured or self.unmet)

    def note(self, measured: str) -> None:
        """Add to what is measured."""
        self.measured.append(measured)

    def expect(self, met: bool, otherwise: str) -> None:
        """Hold it against the row if an expectation is not met. The run goes on: all of its figures are wanted."""
        if not met:
            self.unmet.append(otherwise)


def row(*, injected: str, expected: str) -> Callable[[Callable[P, Awaitable[None]]], Callable[P, Awaitable[None]]]:
    """Make a test function a row. It takes `trial`, and fails at its end if an expectation was not met."""

    def decorate(function: Callable[P, Awaitable[None]]) -> Callable[P, Awaitable[None]]:
        @functools.wraps(function)
        async def test(*args: P.args, **kwargs: P.kwargs) -> None:
            report = kwargs["trial"].report  # type: ignore[attr-defined]
            try:
                await function(*args, **kwargs)
            except pytest.skip.Exception:
                raise
            except BaseException as error:  # pytest's own failures, as after its timeout, are no Exception
                report.expect(False, f"it broke off: {type(error).__name__}")
                raise
            assert not report.unmet, "; ".join(report.unmet)

        name = function.__name__.removeprefix("test_").replace("_", " ")
        test.row = Row(name, injected, expected)  # type: ignore[attr-defined]
        return test

    return decorate


def results() -> dict[str, dict[str, dict[str, Any]]]:
    """The last result of every row on each engine that it ran on.

    Row → engine → `measured`, `unmet` and `full`, whether it was the full version that ran.
    """
    found: dict[str, dict[str, dict[str, Any]]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return found


def keep(name: str, engine: str, report: Report, *, full: bool) -> None:
    """Replace the last result of this row on this engine."""
    kept = results()
    kept.setdefault(name, {})[engine] = asdict(report) | {"full": full}
    RESULTS.write_text(json.dumps(kept, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
