"""What does reading back cost one caller: beside many events, many marks, and far from the newest?

Organisations of 10³ and of 2·10⁶ events are asked in turn, in rounds. Marking all is measured at the end, once for each
member: who has marked all has nothing left to mark.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import grpc
from google.protobuf.message import Message

from bench import load_grpc
from bench.calls import PAGE, bearer
from bench.contenders import Contender, readstate
from bench.database import Caller
from bench.errors import BenchError
from bench.measure import require_success
from bench.model import ReadBack, Reading
from bench.plan import EVENTS, Plan
from bench.site import Site
from readstate.v1 import system_events_pb2 as pb
from readstate.v1.system_events_pb2_grpc import SystemEventServiceStub

SMALL: Final = 1_000
"""Events of the small organisation."""
MARKS: Final = 100_000
FAR: Final = 1_000_000
"""Events that are read above those that are not; and events that a mark-all reads."""
PAGES: Final = 1_000
MARK_ALL_MEMBERS: Final = 1_000
MARK_ALL_ROWS_MEMBERS: Final = 5
SECONDS: Final = 2
"""Of each measurement: one caller's p50 needs no more."""


@dataclass(frozen=True)
class _Asked:
    """One caller's call, asked again and again."""

    name: str
    method: str
    request: Message
    token: str


def measure(site: Site, plan: Plan, say: Callable[[str], None]) -> ReadBack:
    """Make the members, then measure in rounds.

    Raises:
        BenchError: a call failed, or a reply is not what it should be.
    """
    small = site.database.organization("small", events=SMALL)
    with readstate("native", site) as server:
        say("making members who have read much")
        asked = [*_counts(site, small), *_lists(site, small, server)]
        site.database.settle()
        found: dict[str, list[float]] = {one.name: [] for one in asked}
        for one in asked:
            _p50(server, one, seconds=0.5)  # not counted: every plan becomes the generic one
        for number in range(1, plan.growth_rounds + 1):
            for one in asked:
                found[one.name].append(_p50(server, one, seconds=min(plan.seconds, SECONDS)))
                say(f"{number}/{plan.growth_rounds}  {one.name}: p50 {found[one.name][-1]:.3f} ms")
        found["mark_all_events"], size = _mark_all_events(site, server)
        found["mark_all_rows"] = [_mark_all_rows(site, server)]
        say(f"mark-all: p50 {found['mark_all_events'][0]:.2f} ms, of rows {found['mark_all_rows'][0]:.0f} ms")
    return ReadBack([Reading(name, p50) for name, p50 in found.items()], size)


def _p50(server: Contender, one: _Asked, *, seconds: float) -> float:
    load = load_grpc.call(
        server.port, one.method, load_grpc.request(one.request), [one.token], level=1, seconds=seconds
    )
    require_success(one.name, load)
    assert load.p50_ms is not None
    return load.p50_ms


# -- Members, and what they ask ----------------------------------------------------------------------------------------


def _counts(site: Site, small: int) -> list[_Asked]:
    few, many = site.database.members(1, small), site.database.members(1, site.database.org_key)
    _mark(site, few, small, marks=SMALL // 10, among=SMALL)
    _mark(site, many, site.database.org_key, marks=MARKS, among=EVENTS)
    request = pb.GetUnreadCountRequest()
    return [
        _Asked("count_small", "GetUnreadCount", request, site.token(few[0].user_id)),
        _Asked("count_large", "GetUnreadCount", request, site.token(many[0].user_id)),
    ]


def _lists(site: Site, small: int, server: Contender) -> list[_Asked]:
    few, many = site.database.members(1, small), site.database.members(2, site.database.org_key)
    _mark(site, few, small, marks=SMALL // 10, among=SMALL)
    _mark(site, many[:1], site.database.org_key, marks=MARKS, among=EVENTS)
    near, far, far_back = (site.token(caller.user_id) for caller in [*few, *many])
    first = pb.ListSystemEventsRequest(page_size=PAGE)
    unread = pb.ListSystemEventsRequest(page_size=PAGE, unread_only=True)
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub = SystemEventServiceStub(channel)
        deep = pb.ListSystemEventsRequest(page_size=PAGE, page_token=_page_token(stub, far))
        _read_the_newest(stub, far_back, unread)
    return [
        _Asked("list_small", "ListSystemEvents", first, near),
        _Asked("list_first", "ListSystemEvents", first, far),
        _Asked("list_page_1000", "ListSystemEvents", deep, far),
        _Asked("list_unread_far", "ListSystemEvents", unread, far_back),
    ]


def _mark(site: Site, callers: Sequence[Caller], org_key: int, *, marks: int, among: int) -> None:
    """Marks without neighbours, so that they stay rows."""
    site.database.execute(
        """
        WITH mark AS (
            INSERT INTO read_mark (member_key, org_key, seq)
            SELECT member_key, $2::int, seq FROM unnest($1::bigint[]) AS member_key, generate_series(1, $4::int, $5) seq
            RETURNING member_key)
        INSERT INTO read_cursor (org_key, member_key, version, read_count, pruned_seq, all_read)
        SELECT $2, member_key, 1, $3::int, 0, '{}' FROM mark GROUP BY member_key HAVING count(*) = $3""",
        [caller.member_key for caller in callers],
        org_key,
        marks,
        among,
        among // marks,
    )


def _page_token(stub: SystemEventServiceStub, token: str) -> str:
    """The token of page 1,000."""
    request = pb.ListSystemEventsRequest(page_size=PAGE)
    for _ in range(PAGES - 1):
        request.page_token = stub.ListSystemEvents(request, metadata=bearer(token)).next_page_token
    return request.page_token


def _read_the_newest(stub: SystemEventServiceStub, token: str, unread: pb.ListSystemEventsRequest) -> None:
    """Read all but a page's events, which lie below the newest million."""
    ids = range(EVENTS - FAR - PAGE + 1, EVENTS - FAR + 1)
    stub.MarkAllRead(pb.MarkAllReadRequest(up_to=EVENTS), metadata=bearer(token))
    stub.MarkUnread(pb.MarkUnreadRequest(event_ids=ids), metadata=bearer(token))
    found = [event.event_id for event in stub.ListSystemEvents(unread, metadata=bearer(token)).events]
    if found != sorted(ids, reverse=True):
        raise BenchError(f"{len(found)} events are listed as unread, and not the {PAGE} that are")


# -- Mark all ----------------------------------------------------------------------------------------------------------


def _mark_all_events(site: Site, server: Contender) -> tuple[list[float], float]:
    """The p50, and the bytes kept for each member."""
    callers = site.database.members(MARK_ALL_MEMBERS, site.database.org_key)
    p50 = _mark_all(site, server, callers, up_to=FAR)
    if site.database.marks(callers) != FAR * len(callers):
        raise BenchError("mark-all has not read what it should have")
    return [p50], _size_of_cursors(site, callers)


def _size_of_cursors(site: Site, callers: Sequence[Caller]) -> float:
    """Bytes a member. Beside cursors that change often these would fill holes, so it is that of a copy: twenty members
    for each, so that what a table takes for itself counts for little."""
    site.database.execute("CREATE TABLE copied (LIKE read_cursor INCLUDING ALL) WITH (fillfactor = 70)")
    site.database.execute(
        """
        INSERT INTO copied (org_key, member_key, version, read_count, pruned_seq, all_read)
        SELECT org_key, member_key + n * 1000000, version, read_count, pruned_seq, all_read
          FROM generate_series(1, 20) n, read_cursor WHERE org_key = $1 AND member_key = ANY ($2::bigint[])
         ORDER BY n, member_key""",
        site.database.org_key,
        [caller.member_key for caller in callers],
    )
    size = float(site.database.value("SELECT pg_total_relation_size('copied')::float8 / count(*) FROM copied"))
    site.database.execute("DROP TABLE copied")
    return round(size, 1)


def _mark_all_rows(site: Site, server: Contender) -> float:
    callers = site.database.members(MARK_ALL_ROWS_MEMBERS, site.database.org_key)
    _mark(site, callers, site.database.org_key, marks=MARKS, among=EVENTS)
    site.database.settle()
    p50 = _mark_all(site, server, callers, up_to=EVENTS)
    if site.database.marks(callers) != EVENTS * len(callers):
        raise BenchError("mark-all over rows has not read what it should have")
    return p50


def _mark_all(site: Site, server: Contender, callers: Sequence[Caller], *, up_to: int) -> float:
    requests = load_grpc.request(pb.MarkAllReadRequest(up_to=up_to))
    tokens = [site.token(caller.user_id) for caller in callers]
    load = load_grpc.call(server.port, "MarkAllRead", requests, tokens, level=1, calls=len(callers))
    require_success("mark-all", load)
    assert load.p50_ms is not None
    return load.p50_ms
