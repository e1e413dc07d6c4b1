"""Notifications as the messaging API writes them.

The fields are the proto's, in its order: here is only what differs.
"""

from typing import Final

from readstate.gateway.message_json import message_writer
from readstate.v1 import notifications_pb2 as pb

_actor: Final = message_writer(pb.Actor, kind="actor", nulls=["role"])
_entity: Final = message_writer(pb.Entity, kind="entity")

notification: Final = message_writer(pb.Notification, {pb.Actor: _actor, pb.Entity: _entity}, kind="notification")
page: Final = message_writer(
    pb.ListNotificationsResponse, {pb.Notification: notification}, kind="list", names={"notifications": "data"}
)
marked: Final = message_writer(pb.MarkAllNotificationsSeenResponse)


def summary(reply: pb.GetUnreadSummaryResponse) -> str:
    """The two counts alone: the page of the messaging API knows no version."""
    return f'{{"unseen_count":{reply.unseen_count},"unread_count":{reply.unread_count}}}'
