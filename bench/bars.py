"""What a run has to reach."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Bar:
    ratio: str
    """Its name in the results."""
    at: str
    figure: str
    limit: float | None
    """None: the figure stands beside the others and has to reach nothing."""
    at_least: bool = True

    def reached(self, value: float) -> bool | None:
        if self.limit is None:
            return None
        return value >= self.limit if self.at_least else value <= self.limit

    @property
    def text(self) -> str:
        return "" if self.limit is None else f"{'≥' if self.at_least else '≤'} {self.limit:,g}"


def _watching(engine: str) -> tuple[Bar, ...]:
    """Of watchers on one engine."""
    return (
        Bar(
            f"heard_{engine}", "1,000 watchers", f"ms from a record's reply to all, p99, {engine}", 500, at_least=False
        ),
        Bar(
            f"heard_busy_vs_quiet_{engine}",
            "1,000 watchers",
            f"the same: beside 500 marks a second ÷ quiet, {engine}",
            2,
            at_least=False,
        ),
        Bar(
            f"mark_beside_streams_{engine}",
            "64 in flight",
            f"p99 of MarkRead: beside 10,000 streams of others ÷ without, {engine}",
            1.5,
            at_least=False,
        ),
        Bar(
            f"mark_watched_{engine}",
            "64 in flight",
            f"the same: by members who have one of the streams ÷ without, {engine}",
            None,
        ),
        Bar(f"kb_stream_{engine}", "memory", f"kB of the server for a stream, {engine}", 30, at_least=False),
        Bar(f"kb_window_{engine}", "memory", f"kB of the gateway for a window, {engine}", 40, at_least=False),
        Bar(
            f"kb_window_own_{engine}",
            "memory",
            f"the same, if its token has no other, {engine}",
            40,
            at_least=False,
        ),
        Bar(
            f"database_cores_{engine}", "10,000 streams", f"cores of PostgreSQL for them, {engine}", 0.1, at_least=False
        ),
    )


BARS: Final = (
    Bar("cpu_go_vs_native_256", "256 in flight", "CPU a call: Go peer ÷ native", 3),
    Bar("native_vs_go_256", "256 in flight", "calls/s: native ÷ Go peer", 2.0),
    Bar("cpu_pgbench_vs_native_256", "256 in flight", "CPU a call: pgbench's database ÷ native", 1.5),
    Bar("native_vs_pgbench_256", "256 in flight", "calls/s: native ÷ pgbench with 64 clients", 1.0),
    Bar("cpu_naive_vs_native_256", "256 in flight", "CPU a call: naive Python peer ÷ native", 12),
    Bar("cpu_naive_uvloop_vs_native_256", "256 in flight", "CPU a call: the same peer on uvloop ÷ native", None),
    Bar("native_vs_naive_256", "256 in flight", "calls/s: native ÷ naive Python peer", 8),
    Bar("cpu_go_vs_grpcio_256", "256 in flight", "CPU a call: Go peer ÷ grpcio", 2),
    Bar("grpcio_vs_naive_256", "256 in flight", "calls/s: grpcio ÷ naive Python peer", 1.6),
    Bar("cpu_express_vs_gateway_256", "256 in flight, REST", "CPU a request: Express with pg ÷ gateway and native", 3),
    Bar("gateway_vs_express_64", "64 in flight, REST", "requests/s: gateway ÷ Express with pg", 1.2),
    Bar("p50_native_vs_go_1", "1 caller", "p50: native ÷ Go peer", 1.2, at_least=False),
    Bar("native_vs_go_slow_disk_256", "256 in flight, slow disk", "calls/s: native ÷ Go peer", 3),
    Bar("native_vs_go_one_member_256", "256 in flight, one member", "calls/s: native ÷ Go peer", None),
    Bar(
        "one_member_vs_many_256", "256 in flight, one member", "calls/s: one member's calls ÷ 256 members' calls", None
    ),
    Bar("marks_1000_vs_sql", "1,000 ids a call", "marks/s: native ÷ one SQL statement a call in pgbench", 0.7),
    Bar("native_vs_before_256", "256 in flight", "calls/s: native ÷ native before", 0.85),
    Bar("cpu_before_vs_native_256", "256 in flight", "CPU a call: native before ÷ native", None),
    Bar("gateway_vs_before_64", "64 in flight, REST", "requests/s: gateway ÷ gateway before", 1),
    Bar("cpu_before_vs_notifications_64", "50 notifications", "CPU a request: gateway and server before ÷ after", 2),
    Bar("record_vs_before_64", "64 recorders", "RecordSystemEvents/s, one organisation: native ÷ before", 5),
    Bar("native_vs_go_count_256", "256 in flight", "GetUnreadCount/s: native ÷ Go peer", 1.5),
    Bar(
        "p50_count_large_vs_small",
        "1 caller",
        "p50 of GetUnreadCount: 10⁵ marks, 2·10⁶ events ÷ 10³",
        1.3,
        at_least=False,
    ),
    Bar(
        "p50_list_first_vs_small", "1 caller, list of 50", "p50: first page of 2·10⁶ events ÷ of 10³", 2, at_least=False
    ),
    Bar(
        "p50_list_page_1000_vs_small",
        "1 caller, list of 50",
        "p50: page 1,000 of 2·10⁶ events ÷ first of 10³",
        2,
        at_least=False,
    ),
    Bar(
        "p50_list_unread_far_vs_small",
        "1 caller, list of 50",
        "p50: unread ones below 10⁶ read ones ÷ first of 10³",
        2,
        at_least=False,
    ),
    Bar("p50_mark_all_events", "1 caller", "ms of MarkAllRead over 10⁶ unread events, p50", 10, at_least=False),
    Bar("p50_mark_all_rows", "1 caller", "ms of MarkAllRead over 10⁵ rows of one's own, p50", 1_000, at_least=False),
    Bar("bytes_after_mark_all", "storage", "bytes a member after mark-all over 10⁶ events", 200, at_least=False),
    Bar("p50_growth_1e7_vs_1e5", "10⁷ marks stored ÷ 10⁵", "p50 of MarkRead", 1.3, at_least=False),
    Bar("bytes_per_mark", "storage", "bytes a mark, table and index", 100, at_least=False),
    *_watching("native"),
    *_watching("grpcio"),
)
