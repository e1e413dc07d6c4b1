"""How far the loading of demo data has come."""

import sys
import time
from collections.abc import Callable
from typing import Final

import click

PROGRESS_SECONDS: Final = 2


def progress(events: int) -> Callable[[int], None]:
    """A function that tells how far loading has come. A terminal has one line, written again and again; elsewhere a
    line is printed every two seconds."""
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
