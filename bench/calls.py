"""What each kind of call needs before it is measured, and what has to be true after it."""

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

import grpc

from bench import load_grpc
from bench.contenders import Contender
from bench.database import ORGANIZATION, Caller
from bench.errors import BenchError
from bench.load_rest import NOTIFICATIONS_PATH
from bench.model import Load
from bench.plan import COUNT, EVENTS, LIST, MARK, NOTIFICATIONS, OVER_HTTP, RECORD, Case
from readstate.v1 import notifications_pb2 as notifications_pb
from readstate.v1 import notifications_pb2_grpc, system_events_pb2_grpc
from readstate.v1 import system_events_pb2 as pb

PAGE: Final = 50
_NOTIFICATIONS_EACH: Final = 60
_organizations = itertools.count(1)


@dataclass(frozen=True)
class Arranged:
    """A measurement that is ready to be made."""

    callers: Sequence[Caller]
    tokens: Sequence[str]
    method: str = ""
    requests: Path | None = None
    verify: Callable[[Load], None] = field(default=lambda load: None)
    """Raises BenchError where the calls have not done what they should."""


def arrange(case: Case, contender: Contender) -> Arranged:
    """Make what the case needs: members, what they read, and a look at one reply.

    Raises:
        BenchError: a reply is not what it should be.
    """
    return _ARRANGE[case.call](case, contender)


def _mark(case: Case, contender: Contender) -> Arranged:
    database = contender.site.database
    callers = database.callers(case.members)
    # wrk drops what is under way at its end.
    uncounted = case.level if case.contender in OVER_HTTP else 0

    def verify(load: Load) -> None:
        verify_marks(str(case), load, database.marks(callers), ids=case.ids, uncounted=uncounted)

    return Arranged(callers, _tokens(callers, contender), "MarkRead", load_grpc.marks(case.ids), verify)


def _count(case: Case, contender: Contender) -> Arranged:
    callers = contender.site.database.callers(case.members)
    tokens = _tokens(callers, contender)
    with grpc.insecure_channel(f"127.0.0.1:{contender.grpc_port}") as channel:
        stub = system_events_pb2_grpc.SystemEventServiceStub(channel)
        _require(case, stub.GetUnreadCount(pb.GetUnreadCountRequest(), metadata=bearer(tokens[0])).unread_count, EVENTS)
    return Arranged(callers, tokens, "GetUnreadCount", load_grpc.request(pb.GetUnreadCountRequest()))


def _list(case: Case, contender: Contender) -> Arranged:
    callers = contender.site.database.callers(case.members)
    tokens = _tokens(callers, contender)
    request = pb.ListSystemEventsRequest(page_size=PAGE)
    with grpc.insecure_channel(f"127.0.0.1:{contender.grpc_port}") as channel:
        stub = system_events_pb2_grpc.SystemEventServiceStub(channel)
        _require(case, len(stub.ListSystemEvents(request, metadata=bearer(tokens[0])).events), PAGE)
    return Arranged(callers, tokens, "ListSystemEvents", load_grpc.request(request))


def _record(case: Case, contender: Contender) -> Arranged:
    org_id = f"recorded-{next(_organizations)}"
    database = contender.site.database

    def verify(load: Load) -> None:
        stored = """SELECT last_seq FROM event_stream NATURAL JOIN organization WHERE org_id = $1
                       AND last_seq = (SELECT count(*) FROM system_event e WHERE e.org_key = event_stream.org_key)"""
        _require(case, database.value(stored, org_id), load.calls)

    token = contender.site.token("producer", scope="system_events:write")
    requests = load_grpc.request(pb.RecordSystemEventsRequest(org_id=org_id, events=[new_event()]))
    return Arranged((), [token], "RecordSystemEvents", requests, verify)


def _notifications(case: Case, contender: Contender) -> Arranged:
    callers = contender.site.database.callers(case.members)
    _notify(callers, contender)
    tokens = [contender.site.token(caller.user_id, scope="messaging:read") for caller in callers]
    connection = HTTPConnection("127.0.0.1", contender.port, timeout=10)
    connection.request("GET", NOTIFICATIONS_PATH, headers=dict(bearer(tokens[0])))
    _require(case, len(json.load(connection.getresponse())["data"]), PAGE)
    connection.close()
    return Arranged(callers, tokens)


def _notify(callers: Sequence[Caller], contender: Contender) -> None:
    producer = bearer(contender.site.token("producer", scope="messaging:write"))
    request = notifications_pb.CreateNotificationsRequest(
        org_id=ORGANIZATION,
        user_ids=[caller.user_id for caller in callers],
        category="bucket",
        title="A bucket was shared with you",
        body="You can read and write it.",
        sender=notifications_pb.Actor(id="ada", type=notifications_pb.ACTOR_TYPE_USER, name="Ada"),
    )
    with grpc.insecure_channel(f"127.0.0.1:{contender.grpc_port}") as channel:
        stub = notifications_pb2_grpc.NotificationServiceStub(channel)
        for _ in range(_NOTIFICATIONS_EACH):
            stub.CreateNotifications(request, metadata=producer)


_ARRANGE: Final[dict[str, Callable[[Case, Contender], Arranged]]] = {
    MARK: _mark,
    COUNT: _count,
    LIST: _list,
    RECORD: _record,
    NOTIFICATIONS: _notifications,
}


def _tokens(callers: Sequence[Caller], contender: Contender) -> list[str]:
    return [contender.site.token(caller.user_id) for caller in callers]


def new_event() -> pb.NewSystemEvent:
    """As producers record it."""
    event = pb.NewSystemEvent(type="bucket.created", title="A bucket was created")
    event.payload.update({"bucket_id": 1, "region": "eu-central"})
    return event


def bearer(token: str) -> list[tuple[str, str]]:
    """The metadata of a call."""
    return [("authorization", f"Bearer {token}")]


def _require(what: object, found: object, wanted: object) -> None:
    if found != wanted:
        raise BenchError(f"{what}: {found} where {wanted} was expected")


def verify_marks(what: str, load: Load, marks: int, *, ids: int, uncounted: int = 0) -> None:
    """Raise BenchError unless every call wrote `ids` marks, but for `uncounted` calls at the most."""
    if not load.calls * ids <= marks <= (load.calls + uncounted) * ids:
        raise BenchError(f"{what}: {load.calls} calls of {ids} ids left {marks} marks: an event was marked twice")
