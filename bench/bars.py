"""What a run has to reach."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Bar:
    ratio: str
    """Its name in the results."""
    at: str
    figure: str
    limit: float
    at_least: bool = True

    def reached(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit

    @property
    def text(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


BARS: Final = (
    Bar("native_vs_go_256", "256 in flight", "calls/s: native ÷ Go peer", 2.0),
    Bar("native_vs_naive_256", "256 in flight", "calls/s: native ÷ naive Python peer", 8),
    Bar("native_vs_pgbench_256", "256 in flight", "calls/s: native ÷ pgbench with 64 clients", 1.0),
    Bar("grpcio_vs_naive_256", "256 in flight", "calls/s: grpcio ÷ naive Python peer", 1.6),
    Bar("p50_native_vs_go_1", "1 caller", "p50: native ÷ Go peer", 2.0, at_least=False),
    Bar("gateway_vs_express_64", "64 in flight, REST", "requests/s: gateway ÷ Express with pg", 1.2),
    Bar("marks_1000_vs_sql", "1,000 ids a call", "marks/s: native ÷ one SQL statement a call in pgbench", 0.7),
    Bar("p50_growth_1e7_vs_1e5", "10⁷ marks stored ÷ 10⁵", "p50 of MarkRead", 1.3, at_least=False),
    Bar("bytes_per_mark", "storage", "bytes a mark, table and index", 100, at_least=False),
)
