"""What `readstate dev` prints once it runs."""

import shlex
import sys
from pathlib import Path
from typing import Final

from readstate.check import reachable
from readstate.config import GatewaySettings, ServerSettings
from readstate.server.app import RunningServer

_WELCOME: Final = """
readstate is running; Ctrl-C stops all of it.

  gRPC      {address} (reflection is open)
  REST      http://{rest} (described at http://{rest}/docs)
  metrics   http://{admin}/metrics, of REST http://{rest_admin}/metrics
  kept in   {state}

A token for ada of acme, valid for 12 hours (for others: {command} token --user bob):

  {token}

To paste into another terminal:

  {curl}/v1/system-events?limit=3&unread_only=true' {as_ada}
  {curl}/v1/system-events/unread-count' {as_ada}
  {curl}/v1/system-events/4/readers' {as_ada}
  {curl}/systemevent' {as_ada} -d '{{"showUnread": true, "take": 3}}'
  curl -X POST http://{rest}/systemevent/read {as_ada} -d '{{"ids": [1, 2, 3]}}'
  curl -X DELETE http://{rest}/systemevent/read {as_ada} -d '{{"ids": [1, 2, 3]}}'
  {curl}/v1/messaging/notifications?limit=3&include=sender,resource' {as_ada}

And by gRPC (grpcurl: https://github.com/fullstorydev/grpcurl):

  {grpcurl} {address} list
  {grpcurl} {address} describe readstate.v1.SystemEventService
  {call} -d '{{"page_size": 3}}' {address} {service}/ListSystemEvents
  {call} {address} {service}/GetUnreadCount
  {call} -d '{{"event_id": 4}}' {address} {service}/ListReaders
  {call} {address} {notifications}/ListNotifications
  {call} -d '{{"event_ids": [1, 2, 3]}}' {address} {service}/MarkRead
  {call} -d '{{"up_to": 40}}' {address} {service}/MarkAllRead
  {call} -d '{{"event_ids": [1, 2, 3]}}' {address} {service}/MarkUnread
"""


def welcome_page(
    settings: ServerSettings,
    server: RunningServer,
    gateway: GatewaySettings,
    rest_ports: tuple[int, int],
    state: Path,
    token: str,
) -> str:
    """What to see and to paste, once everything listens."""
    rest = with_port(gateway.gateway_listen, rest_ports[0])
    grpcurl = _grpcurl(settings)
    return _WELCOME.format(
        address=with_port(settings.listen, server.port),
        admin=with_port(settings.admin_listen, server.admin_port),
        rest=rest,
        rest_admin=with_port(gateway.gateway_admin_listen, rest_ports[1]),
        state=state,
        command=sys.argv[0] if Path(sys.argv[0]).name == "readstate" else "python -m readstate",
        token=token,
        curl=f"curl 'http://{rest}",
        as_ada=f"-H 'Authorization: Bearer {token}'",
        grpcurl=grpcurl,
        call=f"{grpcurl} -H 'authorization: Bearer {token}'",
        service="readstate.v1.SystemEventService",
        notifications="readstate.v1.NotificationService",
    )


def with_port(address: str, port: int) -> str:
    """The address at which a client on this machine reaches what listens on `port`."""
    return reachable(f"{address.rpartition(':')[0]}:{port}")


def _grpcurl(settings: ServerSettings) -> str:
    if settings.tls_cert is None:
        return "grpcurl -plaintext"
    words = ["grpcurl", "-cacert", str(settings.tls_cert)]
    if settings.tls_client_ca is not None:
        words += ["-cert", str(settings.tls_cert), "-key", str(settings.tls_key)]
    return shlex.join(words)
