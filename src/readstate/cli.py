"""The commands: parsing and calling. Each imports its own parts, so that `readstate token` does not load gRPC."""

import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from readstate.errors import ReadStateError, ServerEnded, StartupError

if TYPE_CHECKING:
    from readstate.config import GatewaySettings, ServerSettings
    from readstate.server.signals import Stop

S = TypeVar("S", "ServerSettings", "GatewaySettings")


class _OneLine(click.Group):
    """Says in one line why a command cannot start or continue, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (StartupError, ServerEnded, ReadStateError) as error:
            click.echo("readstate: " + " ".join(str(error).split()), err=True)
            sys.exit(1)


@click.group(cls=_OneLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="readstate")
def main() -> None:
    """Remember who has read what. Settings come from the environment, with the prefix READSTATE_."""
    # gRPC's core writes to stderr in its own form, for example beside our one line about a used port.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # gRPC's handlers at fork ended one child process in fifty before its exec.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")


@main.command()
def serve() -> None:
    """Serve gRPC, metrics and health until SIGTERM, then drain. A second signal ends it at once."""
    from readstate.config import ServerSettings
    from readstate.server import app, garbage

    async def until(stop: "Stop", settings: ServerSettings) -> None:
        async with app.running_server(settings) as server:
            garbage.spare_what_has_started()
            await stop.wait(server.ended)

    _run(ServerSettings, until)


@main.command()
def gateway() -> None:
    """Serve REST: call the gRPC server READSTATE_UPSTREAM. SIGTERM drains it, a second signal ends it at once."""
    from readstate.config import GatewaySettings
    from readstate.gateway import app
    from readstate.server import garbage

    async def until(stop: "Stop", settings: GatewaySettings) -> None:
        async with app.running_gateway(settings):
            garbage.spare_what_has_started()
            await stop.wait()

    _run(GatewaySettings, until)


def _run(kind: type[S], serve_until: "Callable[[Stop, S], Coroutine[Any, Any, None]]") -> None:
    from readstate.config import load
    from readstate.server.signals import caught
    from readstate.telemetry.logs import configure_logging

    settings = load(kind)
    configure_logging(settings.log_level, settings.log_format)
    with caught(again=lambda: os._exit(1)) as stop:
        stop.run(serve_until(stop, settings))


@main.command()
@click.option("--finish", "finishing", is_flag=True, help="Then make the read cursors that are missing.")
@click.option("--citus", is_flag=True, help="Then spread the tables over the nodes of Citus, by organisation.")
@click.option("--role-defaults", is_flag=True, help="Then set time limits for the role of READSTATE_DATABASE_URL.")
def migrate(finishing: bool, citus: bool, role_defaults: bool) -> None:
    """Bring the database to this release's schema, which `serve` does as well.

    With --finish also end an upgrade from a release without read cursors: once no server of that release is left.

    With --citus also spread the tables over the nodes of a Citus cluster, while no server runs. From then on servers
    need READSTATE_BATCH=organization.

    With --role-defaults also limit what statements of the role may take in this database: run it once as the role that
    serves, which may do so for itself.
    """
    from readstate.config import DatabaseSettings, load
    from readstate.server.signals import run
    from readstate.store.citus import distribute
    from readstate.store.migrate import migrate
    from readstate.store.read_cursor.finish import finish
    from readstate.store.role_defaults import set_role_defaults

    url = load(DatabaseSettings).database_url.get_secret_value()
    applied = run(migrate(url))
    click.echo("\n".join(f"applied {name}" for name in applied) or "nothing to apply")
    if finishing:
        click.echo(f"read cursors made: {run(finish(url))}")
    if citus:
        click.echo("\n".join(f"spread {name}" for name in run(distribute(url))) or "nothing to spread")
    if role_defaults:
        run(set_role_defaults(url))
        click.echo("role defaults set")


@main.command()
@click.option("--events-older-than", metavar="AGE", help="As in 180d. Default: READSTATE_PRUNE_EVENTS_OLDER_THAN.")
@click.option("--notifications-older-than", metavar="AGE", help="Default: READSTATE_PRUNE_NOTIFICATIONS_OLDER_THAN.")
@click.option(
    "--unread-notifications/--no-unread-notifications",
    default=None,
    help="Whether those go that are neither read nor dismissed. Default: READSTATE_PRUNE_UNREAD_NOTIFICATIONS.",
)
@click.option("--dry-run", is_flag=True, help="Only count.")
def prune(
    events_older_than: str | None,
    notifications_older_than: str | None,
    unread_notifications: bool | None,
    dry_run: bool,
) -> None:
    """Delete old events with their marks, and old notifications, beside the calls of servers. `serve` does so by itself
    once an hour, with the settings.

    Also delete expired idempotency keys and what removed members left behind, as `serve` does every minute.
    """
    from readstate.config import RetentionSettings, load
    from readstate.server import upkeep
    from readstate.server.signals import run

    given = {
        "prune_events_older_than": events_older_than,
        "prune_notifications_older_than": notifications_older_than,
        "prune_unread_notifications": unread_notifications,
    }
    settings = load(RetentionSettings, **{name: value for name, value in given.items() if value is not None})
    found = run(upkeep.prune(settings, dry_run=dry_run))
    verb = "to delete" if dry_run else "deleted"
    click.echo(f"expired keys {verb}: {found.expired_keys}")
    if settings.prune_events_older_than is not None:
        click.echo(f"events {verb}: {found.pruned.events}")
        click.echo(f"marks {verb}: {found.pruned.marks}")
    if settings.prune_notifications_older_than is not None:
        click.echo(f"notifications {verb}: {found.pruned.notifications}")


@main.command()
@click.option("--user", help="Everything of this user: in all organisations, or in the one that --org names.")
@click.option("--org", help="Without --user: everything of this organisation and its members.")
@click.option("--dry-run", is_flag=True, help="Only count.")
def forget(user: str | None, org: str | None, dry_run: bool) -> None:
    """Erase a person or an organisation for good, beside the calls of servers. Print what that was.

    It may be run again. With members from claims first see to it that no valid token names the person any more, and set
    READSTATE_DIRECTORY=claims as for the server.
    """
    from readstate.config import DirectorySettings, load
    from readstate.server import upkeep
    from readstate.server.signals import run

    if not user and not org:
        raise click.UsageError("--user or --org is required")
    work = upkeep.forget(load(DirectorySettings), user_id=user or None, org_id=org or None, dry_run=dry_run)
    rows = {name: count for name, count in run(work).items() if count}
    verb = "to erase" if dry_run else "erased"
    for name, count in sorted(rows.items()):
        click.echo(f"{name} {verb}: {count}")
    if not rows:
        click.echo(f"nothing {verb}")


_COUNT = click.IntRange(0, 10**15)


@main.command()
@click.option("--members", required=True, type=_COUNT, help="Of all organisations.")
@click.option("--events", required=True, type=_COUNT, help="Recorded in a day, in all organisations.")
@click.option("--calls", required=True, type=_COUNT, help="Marks in a second, at the peak.")
@click.option("--organizations", default=1, show_default=True, type=click.IntRange(1, 10**9), help="Of equal size.")
@click.option(
    "--days", default=180, show_default=True, type=click.IntRange(1, 36_500), help="How long events are kept."
)
@click.option(
    "--read",
    default=0.3,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="The part of their events that members mark one by one.",
)
def size(members: int, events: int, calls: int, organizations: int, days: int, read: float) -> None:
    """Say what a load needs of disk, WAL and CPU, from measured units. docs/sizing.md explains the sum."""
    from readstate import sizing

    for line in sizing.lines(sizing.Load(members, events, calls, organizations, days, read)):
        click.echo(line)


@main.command()
@click.option("--user", required=True, help="The user id: the claim `sub`.")
@click.option("--scope", default="", help="Scopes, separated by spaces.")
@click.option("--org", help="The organisation claim; believed only with READSTATE_DIRECTORY=claims.")
@click.option("--expires-in", default=3600, show_default=True, help="Seconds; a negative number: expired.")
def token(user: str, scope: str, org: str | None, expires_in: int) -> None:
    """Print a token for the configured HS256 secret, issuer and audience. Looks up no user.

    Where the environment sets none of them: for those of `readstate dev`, if it has run in this folder.
    """
    from readstate.config import TokenSettings, load
    from readstate.dev.state_folder import STATE, token_values
    from readstate.identity.tokens import sign

    settings = load(TokenSettings, **token_values(STATE))
    click.echo(sign(settings, user=user, scope=scope, org=org, expires_in=expires_in))


@main.command()
@click.option("--address", metavar="HOST:PORT", help="Instead of READSTATE_LISTEN.")
def check(address: str | None) -> None:
    """Ask the server for its health: exit code 0 if it is serving, else 1."""
    from readstate.check import require_serving
    from readstate.config import CheckSettings, load

    require_serving(load(CheckSettings, **({"listen": address} if address else {})))
    click.echo("serving")


@main.command()
@click.option("--events", default=0, type=click.IntRange(0, 10_000_000), help="That many further events in acme.")
def dev(events: int) -> None:
    """Run everything from nothing: PostgreSQL, demo data, gRPC and REST. Ctrl-C stops all of it."""
    from readstate.dev.command import run

    run(Path.cwd(), events)
