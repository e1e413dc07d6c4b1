"""The values that the parts of the benchmark exchange."""

from dataclasses import dataclass, field

from bench.plan import Case


@dataclass(frozen=True)
class Load:
    """What a load generator saw."""

    calls: int
    """That succeeded."""
    seconds: float
    p50_ms: float | None
    p99_ms: float | None
    failures: dict[str, int] = field(default_factory=dict)
    """How many calls failed, by code and message."""


@dataclass(frozen=True)
class CpuTime:
    """CPU time that was used in the inner part of a measurement."""

    seconds: float
    """How long the inner part was."""
    service: float
    """CPU seconds of the contender's processes."""
    database: float
    """CPU seconds of PostgreSQL: the postmaster and all its children."""
    others: float
    """CPU seconds of what is not the benchmark's. Rough: the kernel samples the machine's account, and measures
    those of processes, so that many short turns can make it negative."""


@dataclass(frozen=True)
class Sample:
    """One measurement. What stood in the database after it was what its calls should have written."""

    case: Case
    round: int
    calls: int
    seconds: float
    calls_per_second: float
    p50_ms: float | None
    p99_ms: float | None
    service_us: float | None
    """CPU µs a call. None of a measurement that was over too early."""
    database_us: float | None
    others_share: float | None
    """Of the machine's CPU, what others used meanwhile: how quiet it was."""


@dataclass(frozen=True)
class GrowthStep:
    """What MarkRead took with `marks` marks stored."""

    marks: int
    bytes_per_mark: float
    """Table and index."""
    p50_ms: list[float]
    """Of each round."""


@dataclass(frozen=True)
class Reading:
    """What one caller's call of reading back took."""

    name: str
    p50_ms: list[float]
    """Of each round."""


@dataclass(frozen=True)
class ReadBack:
    """What was found of reading back."""

    readings: list[Reading]
    bytes_after_mark_all: float
    """Kept for a member: row and index entries."""


@dataclass
class Watching:
    """What streams cost, and how soon they tell. One value for each round, or for each time."""

    engine: str
    heard_ms: list[float] = field(default_factory=list)
    """p99 from a record's reply until a watcher has heard of it."""
    heard_busy_ms: list[float] = field(default_factory=list)
    """The same while members mark."""
    mark_ms: list[float] = field(default_factory=list)
    """p99 of MarkRead, without streams."""
    mark_beside_ms: list[float] = field(default_factory=list)
    """The same beside many streams of others."""
    mark_watched_ms: list[float] = field(default_factory=list)
    """The same where whoever marks has a stream too, and hears of each mark."""
    kb_stream: float = 0
    """Memory of the server for a stream."""
    kb_window: float = 0
    """Memory of the gateway for a window whose token has many."""
    kb_window_own: float = 0
    """The same for one whose token has no other."""
    database_cores: float = 0
    """That PostgreSQL uses for many streams of which nothing is asked."""
