"""From the raw figures of the rounds to medians and ratios."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.model import GrowthStep, Sample
from bench.plan import BULK_IDS, BULK_LEVEL, PGBENCH_CLIENTS, Case


@dataclass(frozen=True)
class Spread:
    median: float
    min: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Line:
    """All rounds of one case."""

    calls_per_second: Spread
    p50_ms: Spread | None
    p99_ms: Spread | None


Lines = dict[Case, Line]


def lines(samples: Sequence[Sample]) -> Lines:
    grouped: dict[Case, list[Sample]] = {}
    for sample in samples:
        grouped.setdefault(Case(sample.contender, sample.level, sample.ids), []).append(sample)
    return {case: _line(group) for case, group in grouped.items()}


def _line(group: Sequence[Sample]) -> Line:
    p50 = [sample.p50_ms for sample in group if sample.p50_ms is not None]
    p99 = [sample.p99_ms for sample in group if sample.p99_ms is not None]
    rates = Spread.of([sample.calls_per_second for sample in group])
    return Line(rates, Spread.of(p50) if p50 else None, Spread.of(p99) if p99 else None)


_PGBENCH: Final = Case("pgbench", PGBENCH_CLIENTS)

# Calls a second of the first by calls a second of the second.
_RATES: Final = {
    "native_vs_go_256": (Case("native", 256), Case("go", 256)),
    "native_vs_naive_256": (Case("native", 256), Case("naive", 256)),
    "native_vs_pgbench_256": (Case("native", 256), _PGBENCH),
    "grpcio_vs_naive_256": (Case("grpcio", 256), Case("naive", 256)),
    "gateway_vs_express_64": (Case("gateway", 64), Case("express", 64)),
    "marks_1000_vs_sql": (Case("native", BULK_LEVEL, BULK_IDS), Case("pgbench", BULK_LEVEL, BULK_IDS)),
}


def ratios(found: Lines, growth: Sequence[GrowthStep]) -> dict[str, float | None]:
    """Of the medians; None where a part was not measured."""
    return {
        **{name: _of_rates(found, *pair) for name, pair in _RATES.items()},
        "p50_native_vs_go_1": _of_p50(found, Case("native", 1), Case("go", 1)),
        "p50_growth_1e6_vs_1e5": _growth(growth, 1_000_000),
        "p50_growth_1e7_vs_1e5": _growth(growth, 10_000_000),
        "bytes_per_mark": growth[-1].bytes_per_mark if growth else None,
    }


def _of_rates(found: Lines, ours: Case, theirs: Case) -> float | None:
    if ours not in found or theirs not in found:
        return None
    return round(found[ours].calls_per_second.median / found[theirs].calls_per_second.median, 3)


def _of_p50(found: Lines, ours: Case, theirs: Case) -> float | None:
    if ours not in found or theirs not in found:
        return None
    our_p50, their_p50 = found[ours].p50_ms, found[theirs].p50_ms
    return round(our_p50.median / their_p50.median, 3) if our_p50 and their_p50 else None


def _growth(growth: Sequence[GrowthStep], marks: int) -> float | None:
    p50 = {step.marks: statistics.median(step.p50_ms) for step in growth}
    return round(p50[marks] / p50[100_000], 3) if marks in p50 and 100_000 in p50 else None
