"""Writes what was found: JSON with every raw figure, and the tables of the page on performance."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from bench.bars import BARS
from bench.plan import LABELS, Case
from bench.summary import Lines, Spread

_REACHED: Final = {True: "reached", False: "not reached", None: ""}


def write_json(path: Path, results: dict[str, Any]) -> None:
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")


def markdown(results: dict[str, Any], found: Lines) -> str:
    """The bars and the rates behind them, as two tables."""
    machine, plan = results["machine"], results["plan"]
    rounds = "one round" if plan["rounds"] == 1 else f"{plan['rounds']} interleaved rounds"
    intro = (
        f"Measured on {machine['cores']} cores and {machine['memory_gib']} GiB, the load generator on the same cores;"
        f" medians of {rounds} of {plan['seconds']} s, the least and the most in brackets; every call marks an event"
        " that was unread. CPU is that of the contender's processes and that of PostgreSQL, in µs a call."
    )
    if results["others_share"] is not None:
        intro += f" What is not the benchmark's used {results['others_share']:.0%} of the machine (median)."
    if results["before"]:
        intro += f" Before: commit {results['before']}."
    return "\n\n".join(part for part in (intro, _bars(results["ratios"]), _rates(found)) if part) + "\n"


def _bars(ratios: dict[str, float | None]) -> str:
    measured = [(bar, value) for bar in BARS if (value := ratios[bar.ratio]) is not None]
    return _table(
        ["at", "figure", "bar", "measured", ""],
        ([bar.at, bar.figure, bar.text, f"{value:,.2f}", _REACHED[bar.reached(value)]] for bar, value in measured),
    )


def _rates(found: Lines) -> str:
    return _table(
        ["contender", "in flight", "calls/s", "p50 ms", "p99 ms", "CPU µs: service", "database"],
        (
            [
                *(_label(case), str(case.level), _whole(line.calls_per_second)),
                *(_fine(line.p50_ms), _fine(line.p99_ms)),
                *(_median(line.service_us), _median(line.database_us)),
            ]
            for case, line in found.items()
        ),
    )


def _label(case: Case) -> str:
    return ", ".join([LABELS[case.contender], *case.particulars])


def _whole(spread: Spread) -> str:
    if spread.min == spread.max:
        return f"{spread.median:,.0f}"
    return f"{spread.median:,.0f} ({spread.min:,.0f} to {spread.max:,.0f})"


def _median(spread: Spread | None) -> str:
    return "" if spread is None else f"{spread.median:,.0f}"


def _fine(spread: Spread | None) -> str:
    return "" if spread is None else f"{spread.median:.2f}"


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    if len(lines) == 2:
        return ""
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
