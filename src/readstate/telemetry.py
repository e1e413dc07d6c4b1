"""Logs, metrics and request ids.

Never logged: tokens, keys, connection URIs, bodies. An exception is therefore logged by its types and frames, without
its message, the driver's may quote a row, a parser's a token; and a library's line without what it fills in.
"""

import logging
import random
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

LONGEST_LOGGED: Final = 256
"""Characters of a text from outside that a log line holds at most."""

SECONDS_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

_REQUEST_ID: Final = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def configure_logging(level: str, style: Literal["auto", "json", "console"]) -> None:
    """Send our own logs and the libraries' to stderr: JSON lines, or readable colours on a terminal."""
    number = logging.getLevelNamesMapping()[level.upper()]
    console = style == "console" or (style == "auto" and sys.stderr.isatty())
    shared: list[structlog.types.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_messages,
    ]
    renderer = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_template, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    # Libraries speak up only when something is wrong.
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)


def _template(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    # grpc fills in metadata that it cannot decode, which may be a token; asyncio appends the exceptions of its tasks.
    record: logging.LogRecord = event["_record"]
    template = record.msg if isinstance(record.msg, str) else type(record.msg).__qualname__
    event["event"], _, _ = template.strip().partition("\n")
    event["logger"] = record.name
    return event


def _without_messages(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    error = event.pop("exc_info", None)
    if error is True or isinstance(error, tuple):
        error = sys.exc_info()[1] if error is True else error[1]
    if isinstance(error, BaseException):
        event["exception"] = describe(error)
    return event


def describe(error: BaseException) -> list[dict[str, object]]:
    """The chain of an exception, outermost first: types, SQLSTATE and frames, but no message (see the module)."""
    chain: list[dict[str, object]] = []
    cause: BaseException | None = error
    while cause is not None and len(chain) < 5:
        frames = traceback.extract_tb(cause.__traceback__)[-12:]
        link: dict[str, object] = {
            "type": type(cause).__qualname__,
            "frames": [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames],
        }
        if sqlstate := getattr(cause, "sqlstate", None):
            link["sqlstate"] = sqlstate
        chain.append(link)
        cause = cause.__cause__ or cause.__context__
    return chain


def printable(text: str) -> str:
    """A text from outside, fit for a log line: no control characters, bounded length."""
    return _UNPRINTABLE.sub("", text[:LONGEST_LOGGED])


def request_id(given: str | None) -> str:
    """The request id that a caller gave, if it is 1 to 128 printable ASCII characters; else a new one."""
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    # Unique, but not secret: uuid4 asks the system for randomness and costs six times as much.
    return f"{random.getrandbits(128):032x}"


# A time series of its own for each counter's birth doubles the page, and nobody asks for it.
disable_created_metrics()  # type: ignore[no-untyped-call]


class ProcessMetrics:
    """What every process of ours tells: memory, CPU time, garbage collections."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)


class GatewayMetrics(ProcessMetrics):
    """What one gateway counts. `route` is a known path or `unknown`: a request's own path could be any text."""

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
    """What one server counts. Durations are in seconds, as Prometheus wants them."""

    def __init__(self) -> None:
        super().__init__()
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
            "Calls that went alone after their batch failed.",
            ["lane"],
            registry=self.registry,
        )
        self.pool = Gauge(
            "readstate_pool_connections", "Database connections, by state.", ["state"], registry=self.registry
        )

    def lane(self, name: str) -> "LaneMetrics":
        """The figures of one lane of group commit."""
        return LaneMetrics(
            batch_size=self._batch_size.labels(name),
            wait=self._batch_wait.labels(name),
            queue=self._queue.labels(name),
            fallbacks=self._fallbacks.labels(name),
        )

    def count_token_cache(self, hits: Callable[[], int], misses: Callable[[], int]) -> None:
        """Report two running totals that the verifier keeps itself, because it looks into its cache on every call."""
        self.registry.register(_TokenCache(hits, misses))


@dataclass(frozen=True, slots=True)
class LaneMetrics:
    """What one lane of group commit reports."""

    batch_size: Histogram
    wait: Histogram
    queue: Gauge
    fallbacks: Counter


class _TokenCache(Collector):
    def __init__(self, hits: Callable[[], int], misses: Callable[[], int]) -> None:
        self._hits = hits
        self._misses = misses

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily("readstate_token_cache", "Look-ups of verified tokens.", labels=["result"])
        family.add_metric(["hit"], self._hits())
        family.add_metric(["miss"], self._misses())
        yield family
