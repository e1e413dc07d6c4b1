"""What is measured, how often and for how long."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
BENCH: Final = ROOT / "bench"
BUILD: Final = BENCH / "build"
"""Everything made on the way; ignored by git."""
RESULTS: Final = BENCH / "results"

EVENTS: Final = 2_000_000
"""System events of the one organisation."""
STRIDE: Final = 1_234_567
"""Shares no factor with EVENTS, and is about its golden section: single ids come scattered over the whole range."""
BULK_IDS: Final = 1_000
"""Ids of a large call."""

ENGINES: Final = ("native", "grpcio")
GRPC: Final = ("native", "grpcio", "go", "naive")
REST: Final = ("gateway", "express", "fastapi")
SQL: Final = ("pgbench",)
BEFORE: Final = ("before", "before-gateway")
"""The native engine and the gateway of an earlier commit; only with `--before`."""
CONTENDERS: Final = (*GRPC, "naive-uvloop", *SQL, *REST, *BEFORE)
OVER_HTTP: Final = (*REST, "before-gateway")
BULK: Final = ("native", "grpcio", "pgbench")

LEVELS: Final = (1, 64, 256)
BULK_LEVEL: Final = 64
PGBENCH_CLIENTS: Final = 64
PGBENCH_MEMBERS: Final = 256
"""It is compared with 256 callers."""

MARK: Final = "mark"
COUNT: Final = "count"
LIST: Final = "list"
RECORD: Final = "record"
NOTIFICATIONS: Final = "notifications"
CALLS: Final = {
    MARK: "",
    COUNT: "GetUnreadCount",
    LIST: "ListSystemEvents of 50",
    RECORD: "RecordSystemEvents, one event",
    NOTIFICATIONS: "list of 50 notifications",
}
"""What a call does, and how a table names it."""

LABELS: Final = {
    "native": "readstate, native engine",
    "grpcio": "readstate, grpcio engine",
    "go": "Go: grpc-go, pgx",
    "naive": "Python: grpc.aio, asyncpg",
    "naive-uvloop": "Python: grpc.aio, asyncpg, uvloop",
    "pgbench": "PostgreSQL alone (pgbench)",
    "gateway": "readstate, gateway",
    "express": "Express, pg",
    "fastapi": "FastAPI, asyncpg",
    "before": "readstate before, native engine",
    "before-gateway": "readstate before, gateway",
}


@dataclass(frozen=True)
class Case:
    """One thing to measure: a contender, the calls in flight, and what a call does."""

    contender: str
    level: int
    ids: int = 1
    """Ids of a call that marks."""
    call: str = MARK
    one_member: bool = False
    """All calls are one member's; else there are as many members as calls in flight."""
    slow_disk: bool = False

    def __str__(self) -> str:
        return ", ".join([self.contender, f"{self.level} in flight", *self.particulars])

    @property
    def particulars(self) -> list[str]:
        """What makes it another case than the plain mark, in words."""
        return [
            *([CALLS[self.call]] if CALLS[self.call] else []),
            *([f"{self.ids:,} ids a call"] if self.ids > 1 else []),
            *(["all calls one member's"] if self.one_member else []),
            *(["slow disk"] if self.slow_disk else []),
        ]

    @property
    def members(self) -> int:
        """How many members call."""
        if self.one_member:
            return 1
        return PGBENCH_MEMBERS if self.contender in SQL and self.ids == 1 else self.level


@dataclass(frozen=True)
class Plan:
    rounds: int
    seconds: int
    """Of each measurement."""
    growth: tuple[int, ...]
    """Numbers of stored marks at which the latency of MarkRead is measured."""
    growth_rounds: int
    """Also the rounds of reading back."""
    streams: int
    """How many are open on one server where many are."""


FULL: Final = Plan(rounds=3, seconds=5, growth=(100_000, 1_000_000, 10_000_000), growth_rounds=3, streams=10_000)
QUICK: Final = Plan(rounds=1, seconds=2, growth=(100_000, 1_000_000), growth_rounds=1, streams=2_000)


def cases() -> list[Case]:
    """The measurements of one round. Those that are compared stand next to each other."""
    return [*_marks(), *_marks_elsewhere(), *_other_calls()]


def _marks() -> list[Case]:
    grpc = [Case(contender, level) for level in LEVELS for contender in GRPC]
    grpc += [Case("naive-uvloop", 256)]
    grpc.insert(grpc.index(Case("native", 256)), Case("before", 256))
    sql = [Case(contender, PGBENCH_CLIENTS) for contender in SQL]
    rest = [Case(contender, level) for level in LEVELS for contender in REST]
    rest.insert(rest.index(Case("gateway", 64)), Case("before-gateway", 64))
    bulk = [Case(contender, BULK_LEVEL, BULK_IDS) for contender in BULK]
    return grpc + sql + rest + bulk


def _marks_elsewhere() -> list[Case]:
    one_member = [Case(contender, 256, one_member=True) for contender in ("native", "go")]
    slow_disk = [Case(contender, 256, slow_disk=True) for contender in ("native", "go", "naive")]
    return one_member + slow_disk


def _other_calls() -> list[Case]:
    return [
        *(Case(contender, 256, call=COUNT) for contender in ("native", "go")),
        Case("native", 64, call=LIST),
        *(Case(contender, 64, call=RECORD) for contender in ("native", "before")),
        *(Case(contender, 64, call=NOTIFICATIONS) for contender in ("gateway", "before-gateway")),
    ]
