"""How soon do watchers hear of an event, beside what others do, and what does a stream cost?

The streams belong to a process of its own, so that the server's memory and CPU are the server's.
"""

import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import psutil

from bench import load_grpc
from bench.contenders import Contender, gateway, readstate
from bench.cpu import used
from bench.errors import BenchError
from bench.measure import require_success
from bench.model import Load, Watching
from bench.plan import BUILD, ENGINES, Plan
from bench.site import Site
from bench.watchers import Watchers, watchers
from readstate.store.read_cursor.sql import MAKE_CURSORS
from readstate.v1.system_events_pb2 import MarkReadRequest

ORG_ID: Final = "watched"
EVENTS: Final = 300_000
EVENTS_AT_ONCE: Final = 30_000
"""A measurement of MarkRead marks these, and the next one those that follow."""
WATCHERS: Final = 1_000
MARKERS: Final = 200
"""Members who mark while others listen. They have streams too, and hear of every mark of their own."""
MARKS_PER_SECOND: Final = 500
HEARING_SECONDS: Final = 6
"""Of a measurement: about ten events."""
LEVEL: Final = 64
"""Calls of MarkRead in flight."""
WARM: Final = 500
"""Streams that are open before memory is measured: the first ones also pay for what all need."""
WINDOWS: Final = 2_000
IDLE_SECONDS: Final = 5
EMPTY_SECONDS: Final = 2
"""After streams have left."""


@dataclass(frozen=True)
class _Place:
    """What the measurements on all engines share."""

    site: Site
    plan: Plan
    tokens: Sequence[str]
    """Of all who may watch. The first ones mark."""
    strangers: Sequence[str]
    """Of members who have no stream, and mark."""
    say: Callable[[str], None]
    blocks: Iterator[int] = field(default_factory=itertools.count)

    @contextmanager
    def watching(self, protocol: str, port: int, tokens: Sequence[str]) -> Iterator[Watchers]:
        producer = self.site.token("producer", scope="system_events:write")
        with watchers(protocol, port, tokens, producer=producer, org_id=ORG_ID) as found:
            yield found

    def mark(self, server: Contender, tokens: Sequence[str], *, seconds: float, rate: int | None = None) -> Load:
        calls, first = BUILD / "calls-watching.bin", next(self.blocks) * EVENTS_AT_ONCE % EVENTS + 1
        load_grpc.write(calls, (MarkReadRequest(event_ids=[first + n]) for n in range(EVENTS_AT_ONCE)))
        load = load_grpc.call(server.port, "MarkRead", calls, tokens[:MARKERS], level=LEVEL, seconds=seconds, rate=rate)
        require_success("MarkRead beside streams", load)
        return load


def measure(site: Site, plan: Plan, say: Callable[[str], None]) -> list[Watching]:
    """Make the members, then measure one engine after the other.

    Raises:
        BenchError: a stream has ended, nobody hears of an event, or a call failed.
    """
    say(f"making {plan.streams:,} members who watch")
    tokens = _tokens(site, plan.streams + MARKERS)
    place = _Place(site, plan, tokens[: plan.streams], tokens[plan.streams :], say)
    found = []
    for engine in ENGINES:
        one = Watching(engine)
        with readstate(engine, site) as server:
            place.mark(server, place.strangers, seconds=1)  # not counted: every plan becomes the generic one
            _mark_beside(place, server, one)  # first: streams that have left leave memory for others
            _hear(place, server, one)
            with gateway(server) as front:
                one.kb_window = _window(place, front, place.tokens[:1])
                one.kb_window_own = _window(place, front, place.tokens)
        say(f"{engine}: a window takes {one.kb_window:.1f} kB, with a token of its own {one.kb_window_own:.1f} kB")
        found.append(one)
    return found


def _tokens(site: Site, number: int) -> list[str]:
    org_key = site.database.organization(ORG_ID, events=EVENTS)
    members = site.database.members(number, org_key)
    site.database.execute(MAKE_CURSORS.together, [org_key] * number, [member.member_key for member in members])
    site.database.settle()
    return [site.token(member.user_id) for member in members]


# -- How soon ----------------------------------------------------------------------------------------------------------


def _hear(place: _Place, server: Contender, found: Watching) -> None:
    streams = WATCHERS + MARKERS
    with place.watching("grpc", server.port, place.tokens[:streams]) as listeners:
        listeners.open(streams)
        listeners.record(1)  # not counted
        for number in range(1, place.plan.rounds + 1):
            found.heard_ms.append(listeners.record(HEARING_SECONDS)["p99_ms"])
            with _busy(place, server):
                found.heard_busy_ms.append(listeners.record(HEARING_SECONDS)["p99_ms"])
            quiet, busy = found.heard_ms[-1], found.heard_busy_ms[-1]
            place.say(f"{number}/{place.plan.rounds}  {found.engine}: heard within {quiet:.0f} ms, busy {busy:.0f} ms")


@contextmanager
def _busy(place: _Place, server: Contender) -> Iterator[None]:
    """Members mark while inside.

    Raises:
        BenchError: they could not as often as they were to, or stopped before the end.
    """
    seconds = HEARING_SECONDS + 4
    with ThreadPoolExecutor(1) as pool:
        marking = pool.submit(place.mark, server, place.tokens, seconds=seconds, rate=MARKS_PER_SECOND)
        time.sleep(1)
        yield
        if marking.done():
            raise BenchError("the events took longer than the marks beside them")
        load = marking.result()
    if load.calls / load.seconds < 0.95 * MARKS_PER_SECOND:
        raise BenchError(f"only {load.calls / load.seconds:.0f} marks a second")


# -- What they cost ----------------------------------------------------------------------------------------------------


def _mark_beside(place: _Place, server: Contender, found: Watching) -> None:
    """Without streams, with them, and without again."""
    streams = place.plan.streams
    found.mark_ms += _p99s(place, server, place.strangers)
    with place.watching("grpc", server.port, place.tokens) as listeners:
        found.kb_stream = _kb(server.processes[0], listeners, streams)
        before = used(place.site.database.postmaster)
        time.sleep(IDLE_SECONDS)
        found.database_cores = round((used(place.site.database.postmaster) - before) / IDLE_SECONDS, 4)
        found.mark_beside_ms += _p99s(place, server, place.strangers)
        found.mark_watched_ms += _p99s(place, server, place.tokens)
    time.sleep(EMPTY_SECONDS)
    found.mark_ms += _p99s(place, server, place.strangers)
    alone, beside, watched = map(statistics.median, (found.mark_ms, found.mark_beside_ms, found.mark_watched_ms))
    place.say(f"{found.engine}: MarkRead p99 {alone:.1f} ms, beside {streams:,} streams of others {beside:.1f} ms;")
    place.say(f"  by members who have one of the streams {watched:.1f} ms;")
    place.say(f"  a stream takes {found.kb_stream:.1f} kB, all {found.database_cores:.3f} cores of PostgreSQL")


def _p99s(place: _Place, server: Contender, tokens: Sequence[str]) -> list[float]:
    loads = [place.mark(server, tokens, seconds=place.plan.seconds / 2) for _ in range(place.plan.rounds)]
    return [load.p99_ms for load in loads if load.p99_ms is not None]


def _window(place: _Place, front: Contender, tokens: Sequence[str]) -> float:
    with place.watching("sse", front.port, tokens[:WINDOWS]) as listeners:
        kb = _kb(front.processes[0], listeners, min(WINDOWS, place.plan.streams))
    time.sleep(EMPTY_SECONDS)
    return kb


def _kb(process: int, listeners: Watchers, streams: int) -> float:
    """What the process takes for each stream, of this many in all."""
    listeners.open(WARM)
    before = int(psutil.Process(process).memory_info().rss)
    listeners.open(streams - WARM)
    after = int(psutil.Process(process).memory_info().rss)
    return round((after - before) / (streams - WARM) / 1000, 2)
