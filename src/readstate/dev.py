"""`readstate dev`: everything from nothing, and all of it stopped again by one Ctrl-C."""

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import click

from readstate import app, demo, dev_state, embedded
from readstate.auth import sign
from readstate.check import reachable
from readstate.config import DevSettings, GatewaySettings, ServerSettings, load
from readstate.gateway import app as gateway_app
from readstate.signals import Interrupted, Stop, caught
from readstate.store import pool
from readstate.store.migrate import migrate
from readstate.telemetry.logs import configure_logging

TOKEN_SECONDS: Final = 12 * 3600
SCOPE: Final = "messaging:read messaging:update"
PROGRESS_SECONDS: Final = 2

# All must have stopped within 10 s of the signal, the database included. Nobody balances load to this server, so it
# need not wait before it drains.
_DRAIN: Final = {"drain_delay": 0, "drain_grace": 2}

_WELCOME: Final = """
readstate is running; Ctrl-C stops all of it.

  gRPC      {address} (reflection is open)
  REST      http://{rest} (described at http://{rest}/docs)
  metrics   http://{admin}/metrics, of REST http://{rest_admin}/metrics
  kept in   {state}

A token for ada of acme, valid for 12 hours (for others: {command} token --user bob):

  {token}

To paste into another terminal:

  curl -X POST http://{rest}/systemevent/read -H 'Authorization: Bearer {token}' -d '{{"ids": [1, 2, 3]}}'
  curl -X DELETE http://{rest}/systemevent/read -H 'Authorization: Bearer {token}' -d '{{"ids": [1, 2, 3]}}'
  curl 'http://{rest}/v1/messaging/notifications?limit=3&include=sender,resource' -H 'Authorization: Bearer {token}'

And by gRPC (grpcurl: https://github.com/fullstorydev/grpcurl):

  {grpcurl} {address} list
  {grpcurl} {address} describe readstate.v1.SystemEventService
  {grpcurl} -H 'authorization: Bearer {token}' -d '{{"event_ids": [1, 2, 3]}}' {address} {service}/MarkRead
  {grpcurl} -H 'authorization: Bearer {token}' -d '{{"event_ids": [1, 2, 3]}}' {address} {service}/MarkUnread
  {grpcurl} -H 'authorization: Bearer {token}' {address} {notifications}/ListNotifications
"""


def run(folder: Path, events: int) -> None:
    """Run in `folder` until SIGTERM or SIGINT, with `events` further demo events.

    Raises:
        StartupError: something cannot start; what has started is stopped.
    """
    given = load(DevSettings)
    configure_logging(given.log_level, given.log_format)
    state = folder / dev_state.STATE
    # A further signal changes nothing: stopping is bounded, and the database has to be stopped.
    with caught(again=lambda: None) as stop, dev_state.opened(state):
        url = given.database_url.get_secret_value() if given.database_url else None
        tokens = dev_state.token_values(state)
        try:
            with _database(url, state, stop) as url:
                settings = load(ServerSettings, database_url=url, **tokens, **_DRAIN)
                gateway = load(GatewaySettings, **_DRAIN)
                stop.run(_serve(settings, gateway, state, events, stop))
        except Interrupted:
            return


@contextmanager
def _database(url: str | None, state: Path, stop: Stop) -> Iterator[str]:
    if url is not None:
        yield url
        return
    data = embedded.data_folder(state)
    if os.geteuid() == 0 and not data.exists():
        click.echo(
            f"readstate: as root, PostgreSQL runs as the user {embedded.ROOT_USER}, who is made if missing, with its"
            f" data in {data}; folders above it and above the program are opened to other users (o+x)",
            err=True,
        )
    with ExitStack() as stack:
        with stop.interrupting():
            url = stack.enter_context(embedded.postgres(data))
        yield url


async def _serve(settings: ServerSettings, gateway: GatewaySettings, state: Path, events: int, stop: Stop) -> None:
    token = sign(settings, user="ada", org="acme", scope=SCOPE, expires_in=TOKEN_SECONDS)
    await migrate(settings.database_url.get_secret_value())
    async with pool.connect(settings) as database:
        await demo.load(database, events, _progress(events))
    # No port opens before the demo data is there, so that whoever waits for a port finds it.
    async with app.running(settings, open_reflection=True) as server:
        address = _with_port(settings.listen, server.port)
        async with gateway_app.running(_calling(gateway, address, settings)) as rest_ports:
            click.echo(_welcome(settings, server, gateway, rest_ports, state, token))
            await stop.wait(server.ended)


def _calling(gateway: GatewaySettings, address: str, server: ServerSettings) -> GatewaySettings:
    """The gateway's settings, made to call this server, whatever READSTATE_UPSTREAM names."""
    values: dict[str, object] = {"upstream": address}
    if server.tls_cert is not None:
        values["upstream_ca"] = server.tls_cert
    if server.tls_client_ca is not None:
        values |= {"upstream_cert": server.tls_cert, "upstream_key": server.tls_key}
    return gateway.model_copy(update=values)


def _welcome(
    settings: ServerSettings,
    server: app.Running,
    gateway: GatewaySettings,
    rest_ports: tuple[int, int],
    state: Path,
    token: str,
) -> str:
    return _WELCOME.format(
        address=_with_port(settings.listen, server.port),
        admin=_with_port(settings.admin_listen, server.admin_port),
        rest=_with_port(gateway.gateway_listen, rest_ports[0]),
        rest_admin=_with_port(gateway.gateway_admin_listen, rest_ports[1]),
        state=state,
        command=sys.argv[0] if Path(sys.argv[0]).name == "readstate" else "python -m readstate",
        token=token,
        grpcurl=_grpcurl(settings),
        service="readstate.v1.SystemEventService",
        notifications="readstate.v1.NotificationService",
    )


def _with_port(address: str, port: int) -> str:
    return reachable(f"{address.rpartition(':')[0]}:{port}")


def _grpcurl(settings: ServerSettings) -> str:
    if settings.tls_cert is None:
        return "grpcurl -plaintext"
    words = ["grpcurl", "-cacert", str(settings.tls_cert)]
    if settings.tls_client_ca is not None:
        words += ["-cert", str(settings.tls_cert), "-key", str(settings.tls_key)]
    return shlex.join(words)


def _progress(events: int) -> Callable[[int], None]:
    """Tells how far loading has come: on a terminal in one line that is rewritten, elsewhere every so often."""
    terminal = sys.stderr.isatty()
    told_at = time.monotonic()

    def tell(loaded: int) -> None:
        nonlocal told_at
        if loaded < events and time.monotonic() < told_at + (0.1 if terminal else PROGRESS_SECONDS):
            return
        told_at = time.monotonic()
        line = f"loading demo events: {loaded:,} of {events:,}"
        click.echo(f"\r{line}" if terminal else line, err=True, nl=loaded == events or not terminal)

    return tell
