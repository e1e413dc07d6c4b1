"""Metrics, in the format of Prometheus. Durations are in seconds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

SECONDS_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

# Else each counter has a second time series with the time of its creation, which nobody reads.
disable_created_metrics()  # type: ignore[no-untyped-call]


class ProcessMetrics:
    """Metrics of every process: memory, CPU time, garbage collections."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)


class PoolMetrics:
    """Metrics of a pool of database connections."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Without a registry nobody sees them."""
        self.statement = Histogram(
            "readstate_statement_seconds",
            "Time of one statement, from its sending to its last row.",
            registry=registry,
            buckets=SECONDS_BUCKETS,
        )
        self.wait = Histogram(
            "readstate_pool_wait_seconds",
            "Time that work waited for a database connection.",
            registry=registry,
            buckets=SECONDS_BUCKETS,
        )
        self.errors = Counter(
            "readstate_database_errors",
            "What the database refused or broke off, by class. Some of it was tried again.",
            ["class"],
            registry=registry,
        )


class GatewayMetrics(ProcessMetrics):
    """Metrics of a gateway. `route` is a known path or `unknown`, because the path of a request could be any text."""

    def __init__(self) -> None:
        super().__init__()
        self.requests = Counter(
            "readstate_gateway_requests",
            "Requests answered, by method, route and status.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.latency = Histogram(
            "readstate_gateway_request_seconds",
            "Time from a request's head to its answer.",
            ["route"],
            registry=self.registry,
            buckets=SECONDS_BUCKETS,
        )


class Metrics(ProcessMetrics):
    """Metrics of a server."""

    def __init__(self) -> None:
        super().__init__()
        self.build = Info("readstate_build", "The version that runs, and its engine.", registry=self.registry)
        self.ready = Gauge("readstate_ready", "1 while the server is ready, else 0.", registry=self.registry)
        self.calls = Counter(
            "readstate_calls", "Calls answered, by method and status code.", ["method", "code"], registry=self.registry
        )
        self.latency = Histogram(
            "readstate_call_seconds",
            "Time from a call's arrival to its answer.",
            ["method"],
            registry=self.registry,
            buckets=SECONDS_BUCKETS,
        )
        self.in_flight = Gauge("readstate_calls_in_flight", "Calls being served now.", registry=self.registry)
        self.streams = Gauge("readstate_streams", "Streams of WatchUnread that are open.", registry=self.registry)
        self.shed = Counter(
            "readstate_calls_shed", "Calls refused because too many were in flight.", registry=self.registry
        )
        self.ids = Counter("readstate_event_ids", "Event ids received, by method.", ["method"], registry=self.registry)
        self.changes = Counter(
            "readstate_marks_changed", "Read marks made or removed, by method.", ["method"], registry=self.registry
        )
        self._batch_size = Histogram(
            "readstate_batch_calls",
            "Calls written by one statement.",
            ["lane"],
            registry=self.registry,
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
        )
        self._batch_wait = Histogram(
            "readstate_batch_wait_seconds",
            "Time that the oldest call of a batch waited to leave.",
            ["lane"],
            registry=self.registry,
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1),
        )
        self._queue = Gauge("readstate_batch_queue", "Calls waiting to be written.", ["lane"], registry=self.registry)
        self._fallbacks = Counter(
            "readstate_batch_fallbacks",
            "Batches that were not written as they were, by cause.",
            ["lane", "cause"],
            registry=self.registry,
        )
        self.recorded = Counter(
            "readstate_events_recorded",
            "Events that calls recorded, also those that were there.",
            registry=self.registry,
        )
        self.pool = Gauge(
            "readstate_pool_connections", "Database connections, by state.", ["state"], registry=self.registry
        )
        self.database = PoolMetrics(self.registry)
        self._caches = _Caches()
        self.registry.register(self._caches)

    def lane(self, name: str) -> "LaneMetrics":
        """The metrics of one lane of group commit."""
        return LaneMetrics(
            name=name,
            batch_size=self._batch_size.labels(name),
            wait=self._batch_wait.labels(name),
            queue=self._queue.labels(name),
            fallbacks=lambda cause: self._fallbacks.labels(name, cause),
        )

    def count_cache(self, name: str, hits: Callable[[], int], misses: Callable[[], int]) -> None:
        """Report two totals. Caches count them themselves, because every call uses them."""
        self._caches.of[name] = hits, misses


@dataclass(frozen=True, slots=True)
class LaneMetrics:
    """Metrics of one lane of group commit."""

    name: str
    batch_size: Histogram
    wait: Histogram
    queue: Gauge
    fallbacks: Callable[[str], Counter]
    """By cause: one of few words."""


class _Caches(Collector):
    def __init__(self) -> None:
        self.of: dict[str, tuple[Callable[[], int], Callable[[], int]]] = {}

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily("readstate_cache", "Look-ups by cache and result.", labels=["cache", "result"])
        for name, (hits, misses) in self.of.items():
            family.add_metric([name, "hit"], hits())
            family.add_metric([name, "miss"], misses())
        yield family
