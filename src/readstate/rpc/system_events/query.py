"""Requests for a page of events → queries."""

from datetime import datetime
from typing import Final, Literal

from readstate.errors import InvalidRequest
from readstate.model import EventQuery, OrgMember
from readstate.rpc import fields
from readstate.rpc.page_token import TokensOf
from readstate.v1 import system_events_pb2 as pb

MOST_SKIPPED: Final = 10_000

_ORDERS: Final[dict[int, Literal["seq", "occurred_at"]]] = {
    pb.SYSTEM_EVENT_ORDER_SEQ: "seq",
    pb.SYSTEM_EVENT_ORDER_OCCURRED_AT: "occurred_at",
}


def query(request: pb.ListSystemEventsRequest, member: OrgMember) -> tuple[EventQuery, TokensOf]:
    """Which page a request asks for, and what makes the token of the next one."""
    chosen = _filter(request)
    tokens = TokensOf("ListSystemEvents", member.org_key, chosen)
    wanted = EventQuery(
        limit=fields.page_size(request.page_size),
        before=tokens.position(request.page_token),
        skip=_skip(request.skip),
        unread_only=chosen.unread_only,
        types=tuple(chosen.types),
        actor_ids=tuple(chosen.actor_ids),
        subject_ids=tuple(chosen.subject_ids),
        workspace_ids=tuple(chosen.workspace_ids),
        occurred_from=_moment(chosen, "occurred_from"),
        occurred_before=_moment(chosen, "occurred_before"),
        with_total=request.with_total,
        order=_order(chosen.order),
    )
    return wanted, tokens


def _filter(request: pb.ListSystemEventsRequest) -> pb.ListSystemEventsRequest:
    """What chooses the list. Two requests that name the same values in another order choose the same one."""
    chosen = pb.ListSystemEventsRequest(
        unread_only=request.unread_only,
        order=request.order or pb.SYSTEM_EVENT_ORDER_SEQ,
        types=fields.filter_values(request.types, "types"),
        actor_ids=fields.filter_values(request.actor_ids, "actor_ids"),
        subject_ids=fields.filter_values(request.subject_ids, "subject_ids"),
        workspace_ids=fields.filter_values(request.workspace_ids, "workspace_ids"),
    )
    for name in "occurred_from", "occurred_before":
        if request.HasField(name):
            getattr(chosen, name).CopyFrom(getattr(request, name))
    return chosen


def _moment(chosen: pb.ListSystemEventsRequest, name: Literal["occurred_from", "occurred_before"]) -> datetime | None:
    return fields.moment(getattr(chosen, name), name) if chosen.HasField(name) else None


def _skip(value: int) -> int:
    if not 0 <= value <= MOST_SKIPPED:
        raise InvalidRequest("skip", f"must be from 0 to {MOST_SKIPPED}")
    return value


def _order(number: pb.SystemEventOrder) -> Literal["seq", "occurred_at"]:
    # A number of a newer contract arrives as it is.
    if number not in _ORDERS:
        raise InvalidRequest("order", "must be a known order")
    return _ORDERS[number]
