"""The values that the parts of the benchmark exchange."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Load:
    """What a load generator saw."""

    calls: int
    """That succeeded."""
    seconds: float
    p50_ms: float | None
    p99_ms: float | None
    failures: dict[str, int] = field(default_factory=dict)
    """How many calls failed, by code."""


@dataclass(frozen=True)
class Sample:
    """One measurement, and what stood in the database after it."""

    round: int
    contender: str
    level: int
    ids: int
    calls: int
    marks: int
    """Rows that it left in `read_mark`."""
    seconds: float
    calls_per_second: float
    p50_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True)
class GrowthStep:
    """What MarkRead took with `marks` marks stored."""

    marks: int
    bytes_per_mark: float
    """Table and index."""
    p50_ms: list[float]
    """Of each round."""
