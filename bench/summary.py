"""From the raw figures of the rounds to medians and ratios."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from bench.model import GrowthStep, ReadBack, Reading, Sample, Watching
from bench.plan import BULK_IDS, BULK_LEVEL, COUNT, ENGINES, NOTIFICATIONS, PGBENCH_CLIENTS, RECORD, Case


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
    service_us: Spread | None
    database_us: Spread | None

    @property
    def cpu_us(self) -> float | None:
        """CPU µs a call, of service and database together."""
        if self.service_us is None or self.database_us is None:
            return None
        return self.service_us.median + self.database_us.median


Lines = dict[Case, Line]


def lines(samples: Sequence[Sample]) -> Lines:
    grouped: dict[Case, list[Sample]] = {}
    for sample in samples:
        grouped.setdefault(sample.case, []).append(sample)
    return {case: _line(group) for case, group in grouped.items()}


def _line(group: Sequence[Sample]) -> Line:
    return Line(
        Spread.of([sample.calls_per_second for sample in group]),
        _spread(group, lambda sample: sample.p50_ms),
        _spread(group, lambda sample: sample.p99_ms),
        _spread(group, lambda sample: sample.service_us),
        _spread(group, lambda sample: sample.database_us),
    )


def _spread(group: Sequence[Sample], figure: Callable[[Sample], float | None]) -> Spread | None:
    known = [value for sample in group if (value := figure(sample)) is not None]
    return Spread.of(known) if known else None


_NATIVE: Final = Case("native", 256)
_PGBENCH: Final = Case("pgbench", PGBENCH_CLIENTS)

# Calls a second of the first by calls a second of the second.
_RATES: Final = {
    "native_vs_go_256": (_NATIVE, Case("go", 256)),
    "native_vs_naive_256": (_NATIVE, Case("naive", 256)),
    "native_vs_pgbench_256": (_NATIVE, _PGBENCH),
    "grpcio_vs_naive_256": (Case("grpcio", 256), Case("naive", 256)),
    "native_vs_before_256": (_NATIVE, Case("before", 256)),
    "gateway_vs_express_64": (Case("gateway", 64), Case("express", 64)),
    "gateway_vs_before_64": (Case("gateway", 64), Case("before-gateway", 64)),
    "one_member_vs_many_256": (Case("native", 256, one_member=True), _NATIVE),
    "native_vs_go_one_member_256": (Case("native", 256, one_member=True), Case("go", 256, one_member=True)),
    "native_vs_go_slow_disk_256": (Case("native", 256, slow_disk=True), Case("go", 256, slow_disk=True)),
    "native_vs_go_count_256": (Case("native", 256, call=COUNT), Case("go", 256, call=COUNT)),
    "record_vs_before_64": (Case("native", 64, call=RECORD), Case("before", 64, call=RECORD)),
    "marks_1000_vs_sql": (Case("native", BULK_LEVEL, BULK_IDS), Case("pgbench", BULK_LEVEL, BULK_IDS)),
}

# CPU a call, service and database, of the first by that of the second.
_CPU: Final = {
    "cpu_go_vs_native_256": (Case("go", 256), _NATIVE),
    "cpu_pgbench_vs_native_256": (_PGBENCH, _NATIVE),
    "cpu_naive_vs_native_256": (Case("naive", 256), _NATIVE),
    "cpu_naive_uvloop_vs_native_256": (Case("naive-uvloop", 256), _NATIVE),
    "cpu_go_vs_grpcio_256": (Case("go", 256), Case("grpcio", 256)),
    "cpu_express_vs_gateway_256": (Case("express", 256), Case("gateway", 256)),
    "cpu_before_vs_native_256": (Case("before", 256), _NATIVE),
    "cpu_before_vs_notifications_64": (
        Case("before-gateway", 64, call=NOTIFICATIONS),
        Case("gateway", 64, call=NOTIFICATIONS),
    ),
}

# p50 of reading back, the first by the second.
_READINGS: Final = {
    "p50_count_large_vs_small": ("count_large", "count_small"),
    "p50_list_first_vs_small": ("list_first", "list_small"),
    "p50_list_page_1000_vs_small": ("list_page_1000", "list_small"),
    "p50_list_unread_far_vs_small": ("list_unread_far", "list_small"),
}


def ratios(
    found: Lines, growth: Sequence[GrowthStep], read_back: ReadBack | None, watching: Sequence[Watching]
) -> dict[str, float | None]:
    """Of the medians; None where a part was not measured."""
    return {
        **{name: _of(found, *pair, lambda line: line.calls_per_second.median) for name, pair in _RATES.items()},
        **{name: _of(found, *pair, lambda line: line.cpu_us) for name, pair in _CPU.items()},
        "p50_native_vs_go_1": _of(
            found, Case("native", 1), Case("go", 1), lambda line: line.p50_ms.median if line.p50_ms else None
        ),
        "p50_growth_1e6_vs_1e5": _growth(growth, 1_000_000),
        "p50_growth_1e7_vs_1e5": _growth(growth, 10_000_000),
        "bytes_per_mark": growth[-1].bytes_per_mark if growth else None,
        **_read_back(read_back),
        **_watching(watching),
    }


def _of(found: Lines, first: Case, second: Case, figure: Callable[[Line], float | None]) -> float | None:
    if first not in found or second not in found:
        return None
    one, other = figure(found[first]), figure(found[second])
    return round(one / other, 3) if one and other else None


def _growth(growth: Sequence[GrowthStep], marks: int) -> float | None:
    p50 = {step.marks: statistics.median(step.p50_ms) for step in growth}
    return round(p50[marks] / p50[100_000], 3) if marks in p50 and 100_000 in p50 else None


def _read_back(found: ReadBack | None) -> dict[str, float | None]:
    p50 = {reading.name: _p50(reading) for reading in found.readings} if found else {}
    compared = {
        name: round(p50[first] / p50[second], 3) if p50 else None for name, (first, second) in _READINGS.items()
    }
    return {
        **compared,
        "p50_mark_all_events": p50.get("mark_all_events"),
        "p50_mark_all_rows": p50.get("mark_all_rows"),
        "bytes_after_mark_all": found.bytes_after_mark_all if found else None,
    }


def _p50(reading: Reading) -> float:
    return round(statistics.median(reading.p50_ms), 3)


def _watching(found: Sequence[Watching]) -> dict[str, float | None]:
    figures: dict[str, Callable[[Watching], float]] = {
        "heard": lambda one: statistics.median(one.heard_ms),
        "heard_busy_vs_quiet": lambda one: statistics.median(one.heard_busy_ms) / statistics.median(one.heard_ms),
        "mark_beside_streams": lambda one: statistics.median(one.mark_beside_ms) / statistics.median(one.mark_ms),
        "mark_watched": lambda one: statistics.median(one.mark_watched_ms) / statistics.median(one.mark_ms),
        "kb_stream": lambda one: one.kb_stream,
        "kb_window": lambda one: one.kb_window,
        "kb_window_own": lambda one: one.kb_window_own,
        "database_cores": lambda one: one.database_cores,
    }
    on = {one.engine: one for one in found}
    return {
        f"{name}_{engine}": round(figure(on[engine]), 3) if engine in on else None
        for name, figure in figures.items()
        for engine in ENGINES
    }
