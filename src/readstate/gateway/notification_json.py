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
summary: Final = message_writer(pb.GetUnreadSummaryResponse)
marked: Final = message_writer(pb.MarkAllNotificationsSeenResponse)
