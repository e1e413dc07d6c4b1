"""UnreadService."""

from functools import partial
from time import time

from readstate.identity.tickets import TICKET_SECONDS, Tickets
from readstate.model import InboxState, TicketClaims
from readstate.rpc import caller
from readstate.rpc.call import Context
from readstate.rpc.unread import stream
from readstate.rpc.unread.hub import Hub
from readstate.rpc.unread.opening import Opening
from readstate.v1 import unread_pb2 as pb
from readstate.v1 import unread_pb2_grpc

NOTIFICATIONS_SCOPE = "messaging:read"
FINGERPRINT = "readstate-token-sha256"


class UnreadService(unread_pb2_grpc.UnreadServiceServicer):
    """Streams of what members have not read, and tickets for them. The proto states the rules."""

    def __init__(self, hub: Hub, opening: Opening, tickets: Tickets, leeway: float) -> None:
        """`leeway`: seconds for which a token is still good when it has expired."""
        self._hub = hub
        self._opening = opening
        self._tickets = tickets
        self._leeway = leeway

    async def WatchUnread(self, request: pb.WatchUnreadRequest, context: Context) -> None:
        del request  # it has no field, and would stay in memory as long as the stream
        member, claims = caller.in_organization(), caller.claims()
        render = partial(_render, with_notifications=NOTIFICATIONS_SCOPE in claims.scopes)
        watched = await self._hub.join(member, await self._opening.org_id(member.org_key))
        try:
            if isinstance(claims, TicketClaims):
                await context.send_initial_metadata(((FINGERPRINT, claims.token_sha256.hex()),))
            await stream.tell(watched, context, render, claims.expires_at + self._leeway)
        finally:
            self._hub.leave(watched)

    async def IssueTicket(self, _: pb.IssueTicketRequest, __: Context) -> pb.IssueTicketResponse:
        caller.in_organization()
        expires_at = time() + TICKET_SECONDS
        reply = pb.IssueTicketResponse(ticket=await self._tickets.issue(caller.claims(), caller.authorization()))
        reply.expires_at.FromMilliseconds(int(expires_at * 1000))
        return reply


def _render(state: InboxState, *, with_notifications: bool) -> pb.WatchUnreadResponse:
    events, notifications = state.events, state.notifications
    message = pb.WatchUnreadResponse(unread_count=events.unread, head=events.head, version=events.version)
    if with_notifications and notifications is not None:
        message.notifications.unseen = notifications.unseen
        message.notifications.unread = notifications.unread
        message.notifications.version = notifications.version
        message.notifications.SetInParent()
    return message
