"""What `readstate dev` prints once it runs."""

import shlex
import sys
from pathlib import Path
from typing import Final

from readstate.check import reachable
from readstate.config import GatewaySettings, ServerSettings
from readstate.dev.demo_routes import is_loopback
from readstate.server.app import RunningServer

_WELCOME: Final = """
readstate is running. Ctrl-C stops all of it.

  demo      {demo}
  REST      http://{rest}, described at http://{rest}/docs
  gRPC      {address}, with reflection
  metrics   http://{admin}/metrics, of REST http://{rest_admin}/metrics
  data      {state}

To paste into another terminal:

  TOKEN=$({command} token --user ada)
  curl 'http://{rest}/v1/system-events?limit=3&unread_only=true' -H "Authorization: Bearer $TOKEN"
  curl 'http://{rest}/systemevent/read' -H "Authorization: Bearer $TOKEN" -d '{{"ids": [1, 2, 3]}}'
  {grpcurl} {address} describe {service}
  {grpcurl} -H "authorization: Bearer $TOKEN" -d '{{"event_ids": [1, 2, 3]}}' {address} {service}/MarkUnread
"""


def welcome_page(
    settings: ServerSettings,
    server: RunningServer,
    gateway: GatewaySettings,
    rest_ports: tuple[int, int],
    state: Path,
) -> str:
    """What to see and to paste, once everything listens."""
    rest = with_port(gateway.gateway_listen, rest_ports[0])
    return _WELCOME.format(
        address=with_port(settings.listen, server.port),
        admin=with_port(settings.admin_listen, server.admin_port),
        rest=rest,
        demo=f"http://{rest}/demo" if is_loopback(gateway.gateway_listen) else "only where REST listens on 127.0.0.1",
        rest_admin=with_port(gateway.gateway_admin_listen, rest_ports[1]),
        state=state,
        command=sys.argv[0] if Path(sys.argv[0]).name == "readstate" else f"{shlex.quote(sys.executable)} -m readstate",
        grpcurl=_grpcurl(settings),
        service="readstate.v1.SystemEventService",
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
