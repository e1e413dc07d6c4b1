"""`readstate dev`: starts everything from nothing. One Ctrl-C stops all of it."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import click

from readstate.config import DevSettings, GatewaySettings, ServerSettings, load
from readstate.dev import demo, demo_routes, embedded, state_folder
from readstate.dev.access_lines import AccessLines
from readstate.dev.page import welcome_page, with_port
from readstate.dev.progress import progress
from readstate.gateway import app as gateway_app
from readstate.gateway.request import Routes
from readstate.gateway.upstream import Upstream
from readstate.server import app
from readstate.server.signals import Interrupted, Stop, caught
from readstate.store import pool
from readstate.store.migrate import migrate
from readstate.store.read_cursor.finish import finish
from readstate.store.read_cursor.phase import CursorPhase
from readstate.store.role_defaults import set_role_defaults
from readstate.telemetry.logs import configure_logging

# Everything must stop within 10 s of the signal, the database included. No load balancer uses this server, so it does
# not wait before it drains.
_DRAIN: Final = {"drain_delay": 0, "drain_grace": 2}


def run(folder: Path, events: int) -> None:
    """Run in `folder` until SIGTERM or SIGINT, with `events` further demo events.

    Raises:
        StartupError: something cannot start. What has started is stopped.
    """
    given = load(DevSettings)
    configure_logging(given.log_level, given.log_format, terminal=AccessLines())
    state = folder / state_folder.STATE
    # A second signal changes nothing: the stop has a bound, and the database must be stopped.
    with caught(again=lambda: None) as stop, state_folder.opened(state):
        url = given.database_url.get_secret_value() if given.database_url else None
        tokens = state_folder.token_values(state)
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
    url = settings.database_url.get_secret_value()
    await migrate(url)
    await set_role_defaults(url)
    async with pool.connect(settings) as database:
        # Data of an earlier release: no server of that release is running here.
        if not await CursorPhase(database).is_finished():
            await finish(url)
        await demo.load(database, events, progress(events))
    # No port opens before the demo data is there: a program that waits for a port finds the data.
    async with app.running_server(settings, open_reflection=True) as server:
        address = with_port(settings.listen, server.port)
        async with gateway_app.running_gateway(
            _calling(gateway, address, settings), _demo_page(gateway, settings), pages_on_localhost=True
        ) as rest_ports:
            click.echo(welcome_page(settings, server, gateway, rest_ports, state))
            await stop.wait(server.ended)


def _demo_page(gateway: GatewaySettings, settings: ServerSettings) -> Callable[[Upstream], Routes]:
    """The demo page, unless the gateway can be reached from other machines: the page hands out tokens."""
    if not demo_routes.is_loopback(gateway.gateway_listen):
        return gateway_app.no_routes
    return lambda upstream: demo_routes.routes(upstream, settings)


def _calling(gateway: GatewaySettings, address: str, server: ServerSettings) -> GatewaySettings:
    """The gateway's settings, changed to call this server and not READSTATE_UPSTREAM."""
    values: dict[str, object] = {"upstream": address}
    if server.tls_cert is not None:
        values["upstream_ca"] = server.tls_cert
    if server.tls_client_ca is not None:
        values |= {"upstream_cert": server.tls_cert, "upstream_key": server.tls_key}
    return gateway.model_copy(update=values)
