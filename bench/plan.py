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

GRPC: Final = ("native", "grpcio", "go", "naive")
REST: Final = ("gateway", "express", "fastapi")
SQL: Final = ("pgbench",)
CONTENDERS: Final = GRPC + SQL + REST
BULK: Final = ("native", "grpcio", "pgbench")

LEVELS: Final = (1, 64, 256)
BULK_LEVEL: Final = 64
PGBENCH_CLIENTS: Final = 64

LABELS: Final = {
    "native": "readstate, native engine",
    "grpcio": "readstate, grpcio engine",
    "go": "Go: grpc-go, pgx",
    "naive": "Python: grpc.aio, asyncpg",
    "pgbench": "PostgreSQL alone (pgbench)",
    "gateway": "readstate, gateway",
    "express": "Express, pg",
    "fastapi": "FastAPI, asyncpg",
}


@dataclass(frozen=True)
class Case:
    """One thing to measure: a contender, the calls in flight, and the ids of a call."""

    contender: str
    level: int
    ids: int = 1

    def __str__(self) -> str:
        return f"{self.contender}, {self.level} in flight" + (f", {self.ids} ids" if self.ids > 1 else "")


@dataclass(frozen=True)
class Plan:
    rounds: int
    seconds: int
    """Of each measurement."""
    growth: tuple[int, ...]
    """Numbers of stored marks at which the latency of MarkRead is measured."""
    growth_rounds: int


FULL: Final = Plan(rounds=3, seconds=5, growth=(100_000, 1_000_000, 10_000_000), growth_rounds=3)
QUICK: Final = Plan(rounds=1, seconds=3, growth=(100_000, 1_000_000), growth_rounds=1)


def cases() -> list[Case]:
    """The measurements of one round. Those that are compared stand next to each other."""
    grpc = [Case(contender, level) for level in LEVELS for contender in GRPC]
    sql = [Case(contender, PGBENCH_CLIENTS) for contender in SQL]
    bulk = [Case(contender, BULK_LEVEL, BULK_IDS) for contender in BULK]
    rest = [Case(contender, level) for level in LEVELS for contender in REST]
    return grpc + sql + bulk + rest
