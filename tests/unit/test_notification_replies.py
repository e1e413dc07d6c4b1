"""Notifications as messages."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readstate.model import Notification
from readstate.rpc.notifications.convert import render
from readstate.v1 import notifications_pb2 as pb

CREATED = datetime(2026, 3, 1, tzinfo=UTC)
UNSEEN = Notification(
    seq=1,
    id="nf_000000000000",
    category="chat.message",
    title="Hello",
    body=None,
    priority="normal",
    sender=None,
    resource=None,
    seen_at=None,
    read_at=None,
    dismissed_at=None,
    created_at=CREATED,
    updated_at=CREATED,
)


def rendered(notification: Notification) -> pb.Notification:
    message = pb.Notification()
    render(notification, frozenset(("sender", "resource")), message)
    return message


@given(moment=st.datetimes(timezones=st.just(UTC)))
def test_a_time_keeps_its_microseconds(moment: datetime) -> None:
    message = rendered(UNSEEN._replace(seen_at=moment))

    assert message.seen_at.ToDatetime(UTC) == moment
    assert message.created_at.ToDatetime(UTC) == CREATED


def test_what_is_not_there_is_absent() -> None:
    present = {field.name for field, _ in rendered(UNSEEN).ListFields()}
    assert present == {"id", "category", "title", "status", "priority", "created_at", "updated_at"}


@pytest.mark.parametrize("priority", ["low", "normal", "high"])
def test_every_priority_has_its_number(priority: str) -> None:
    name = pb.NotificationPriority.Name(rendered(UNSEEN._replace(priority=priority)).priority)
    assert name == f"NOTIFICATION_PRIORITY_{priority.upper()}"
