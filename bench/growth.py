"""Does a MarkRead cost more when more marks are stored? And what does a mark take on disk?

There is a copy of the database, and a server, for each number of marks, so that these rounds are interleaved as well.
The marks come in the order of life: event after event, each read by every reader, and within an event in no order; so
the index grows everywhere, not at its end. Then callers spread over the whole index mark further events, one call at a
time.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final

from bench import load_grpc
from bench.calls import verify_marks
from bench.contenders import Contender, readstate
from bench.database import Caller, Database
from bench.ids import scattered
from bench.measure import require_success
from bench.model import GrowthStep
from bench.plan import BUILD, EVENTS, Plan
from bench.site import Site
from readstate.v1.system_events_pb2 import MarkReadRequest

READERS: Final = 10_000
CALLERS: Final = 32
"""Of the readers. One call at a time is made, for each of them in turn."""
CALLS: Final = 50_000
"""More than one caller makes in one measurement."""


@dataclass(frozen=True)
class _Stored:
    """A database with `marks` marks, and a server on it."""

    marks: int
    bytes_per_mark: float
    server: Contender
    callers: list[Caller]
    p50_ms: list[float] = field(default_factory=list)


def measure(site: Site, plan: Plan, say: Callable[[str], None]) -> list[GrowthStep]:
    """Load each number of marks, then measure in rounds."""
    site.database.execute("TRUNCATE read_mark, read_cursor")
    with ExitStack() as stack:
        found = []
        for marks in plan.growth:
            say(f"loading {marks:,} marks")
            found.append(stack.enter_context(_stored(site, marks)))
        for stored in found:
            _p50(stored, _events(0, plan), seconds=1)  # not counted: caches fill, every plan becomes the generic one
        for number in range(1, plan.growth_rounds + 1):
            events = _events(number, plan)
            for stored in found:
                stored.p50_ms.append(_p50(stored, events, seconds=plan.seconds))
                say(f"{number}/{plan.growth_rounds}  {stored.marks:,} marks stored: p50 {stored.p50_ms[-1]:.3f} ms")
    return [GrowthStep(stored.marks, stored.bytes_per_mark, stored.p50_ms) for stored in found]


@contextmanager
def _stored(site: Site, marks: int) -> Iterator[_Stored]:
    name = f"bench_{marks}"
    with site.database.copied(name) as database:
        readers = _load(database, marks)
        database.settle()
        size = database.value("SELECT pg_total_relation_size('read_mark')::float8 / count(*) FROM read_mark")
        copy = Site(database)
        with readstate("native", copy, name=name) as server:
            yield _Stored(marks, round(size, 1), server, readers[:: READERS // CALLERS][:CALLERS])


def _load(database: Database, marks: int) -> list[Caller]:
    readers = database.rows(
        """INSERT INTO member (user_id, org_key) SELECT 'reader-' || n, $1 FROM generate_series(1, $2) n
           RETURNING user_id, member_key""",
        database.org_key,
        READERS,
    )
    database.execute(
        """
        INSERT INTO read_mark (member_key, org_key, seq)
        SELECT member_key, org_key, seq FROM member, generate_series($1::int, $2::int) seq
         WHERE user_id LIKE 'reader-%' ORDER BY seq, hashint8(member_key * 7919 + seq)""",
        EVENTS - marks // READERS + 1,
        EVENTS,
    )
    database.execute(
        """
        INSERT INTO read_cursor (org_key, member_key, version, read_count, pruned_seq, all_read)
        SELECT org_key, member_key, 1, $1, 0, '{}' FROM member WHERE user_id LIKE 'reader-%'""",
        marks // READERS,
    )
    return [Caller(*row) for row in readers]


def _events(number: int, plan: Plan) -> list[int]:
    # The last events of the stream are for loading, those before for calls.
    candidates = (scattered(n) for n in range(number * CALLS, (number + 1) * CALLS))
    return [event for event in candidates if event <= EVENTS - max(plan.growth) // READERS]


def _p50(stored: _Stored, events: list[int], *, seconds: int) -> float:
    site, callers = stored.server.site, stored.callers
    calls = BUILD / "calls-growth.bin"
    load_grpc.write(calls, (MarkReadRequest(event_ids=[event]) for event in events))
    before = site.database.marks(callers)
    tokens = [site.token(caller.user_id) for caller in callers]
    load = load_grpc.call(stored.server.port, "MarkRead", calls, tokens, level=1, seconds=seconds)
    what = f"growth to {stored.marks:,}"
    require_success(what, load)
    verify_marks(what, load, site.database.marks(callers) - before, ids=1)
    assert load.p50_ms is not None
    return load.p50_ms
