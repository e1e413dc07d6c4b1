"""NotificationService."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

from readstate.identity.directory import Directory
from readstate.model import Notification, OrgMember
from readstate.rpc import call, caller, fields
from readstate.rpc.call import Context
from readstate.rpc.idempotency import Idempotency
from readstate.rpc.notifications.convert import include, new_content, optional_id, query, render
from readstate.rpc.page_token import cursor
from readstate.rpc.unread.hub import Hub
from readstate.store.notifications.store import NotificationStore
from readstate.v1 import notifications_pb2 as pb
from readstate.v1 import notifications_pb2_grpc

Action: TypeAlias = Callable[[OrgMember, str], Awaitable[Notification]]
ActionRequest: TypeAlias = (
    pb.MarkNotificationSeenRequest | pb.MarkNotificationReadRequest | pb.DismissNotificationRequest
)
R = TypeVar("R", pb.MarkNotificationSeenResponse, pb.MarkNotificationReadResponse, pb.DismissNotificationResponse)
ActionOnAll: TypeAlias = Callable[[OrgMember, str | None], Awaitable[int]]
ActionOnAllRequest: TypeAlias = pb.MarkAllNotificationsSeenRequest | pb.MarkAllNotificationsReadRequest
A = TypeVar("A", pb.MarkAllNotificationsSeenResponse, pb.MarkAllNotificationsReadResponse)


class NotificationService(notifications_pb2_grpc.NotificationServiceServicer):
    """Each member's notifications, and how far they have taken notice. The proto states the rules."""

    def __init__(
        self, notifications: NotificationStore, directory: Directory, idempotency: Idempotency, hub: Hub
    ) -> None:
        self._notifications = notifications
        self._directory = directory
        self._idempotency = idempotency
        self._hub = hub

    async def CreateNotifications(
        self, request: pb.CreateNotificationsRequest, _: Context
    ) -> pb.CreateNotificationsResponse:
        org_id = fields.name(request.org_id, "org_id")
        user_ids = fields.user_ids(request.user_ids)
        content = new_content(request)
        # Outside the transaction of a key: the directory keeps in mind what it makes, and that could be rolled back.
        known = await self._directory.recipients(org_id, user_ids)
        recipients = [known[user_id] for user_id in user_ids if user_id in known]
        unknown = [user_id for user_id in user_ids if user_id not in known]

        async def create() -> pb.CreateNotificationsResponse:
            ids = await self._notifications.create(recipients, content)
            call.count(ids=len(user_ids), changed=len(ids))
            return pb.CreateNotificationsResponse(ids=ids, unknown_user_ids=unknown)

        reply = await self._idempotency.once(request, pb.CreateNotificationsResponse, create)
        self._hub.wake(recipients)
        return reply

    async def GetNotification(self, request: pb.GetNotificationRequest, _: Context) -> pb.GetNotificationResponse:
        member = caller.in_organization()
        included = include(request.include)
        notification = await self._notifications.find(member, request.id)
        reply = pb.GetNotificationResponse()
        render(notification, included, reply.notification)
        return reply

    async def ListNotifications(self, request: pb.ListNotificationsRequest, _: Context) -> pb.ListNotificationsResponse:
        member = caller.in_organization()
        wanted = query(request)
        page = await self._notifications.page(member, wanted)
        reply = pb.ListNotificationsResponse(next_cursor=None if page.next_before is None else cursor(page.next_before))
        for notification in page.notifications:
            render(notification, wanted.included, reply.notifications.add())
        return reply

    async def GetUnreadSummary(self, _: pb.GetUnreadSummaryRequest, __: Context) -> pb.GetUnreadSummaryResponse:
        summary = await self._notifications.unread_summary(caller.in_organization())
        return pb.GetUnreadSummaryResponse(
            unseen_count=summary.unseen, unread_count=summary.unread, version=summary.version
        )

    async def MarkNotificationSeen(
        self, request: pb.MarkNotificationSeenRequest, _: Context
    ) -> pb.MarkNotificationSeenResponse:
        return await self._act(request, self._notifications.mark_seen, pb.MarkNotificationSeenResponse)

    async def MarkNotificationRead(
        self, request: pb.MarkNotificationReadRequest, _: Context
    ) -> pb.MarkNotificationReadResponse:
        return await self._act(request, self._notifications.mark_read, pb.MarkNotificationReadResponse)

    async def DismissNotification(
        self, request: pb.DismissNotificationRequest, _: Context
    ) -> pb.DismissNotificationResponse:
        return await self._act(request, self._notifications.dismiss, pb.DismissNotificationResponse)

    async def MarkAllNotificationsSeen(
        self, request: pb.MarkAllNotificationsSeenRequest, _: Context
    ) -> pb.MarkAllNotificationsSeenResponse:
        return await self._act_on_all(request, self._notifications.mark_all_seen, pb.MarkAllNotificationsSeenResponse)

    async def MarkAllNotificationsRead(
        self, request: pb.MarkAllNotificationsReadRequest, _: Context
    ) -> pb.MarkAllNotificationsReadResponse:
        return await self._act_on_all(request, self._notifications.mark_all_read, pb.MarkAllNotificationsReadResponse)

    async def _act(self, request: ActionRequest, action: Action, reply_type: type[R]) -> R:
        member = caller.in_organization()
        included = include(request.include)

        async def act() -> R:
            notification = await action(member, request.id)
            reply = reply_type()
            render(notification, included, reply.notification)
            return reply

        reply = await self._idempotency.once(request, reply_type, act)
        self._hub.wake([member])
        return reply

    async def _act_on_all(self, request: ActionOnAllRequest, action: ActionOnAll, reply_type: type[A]) -> A:
        member = caller.in_organization()
        up_to = optional_id(request.up_to, "up_to") if request.HasField("up_to") else None

        async def act() -> A:
            changed = await action(member, up_to)
            call.count(changed=changed)
            return reply_type(changed_count=changed)

        reply = await self._idempotency.once(request, reply_type, act)
        self._hub.wake([member])
        return reply
