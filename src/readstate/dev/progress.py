"""How far the loading of demo data has come."""

import sys
import time
from collections.abc import Callable
from typing import Final

import click

PROGRESS_SECONDS: Final = 2
WIDTH: Final = 30
"""Characters of the bar."""


def progress(events: int) -> Callable[[int], None]:
    """A function that tells how far loading has come, and how long it will still take.

    A terminal has a bar, written again and again; elsewhere a line is printed every two seconds.
    """
    terminal = sys.stderr.isatty()
    started = told_at = time.monotonic()

    def tell(loaded: int) -> None:
        nonlocal told_at
        now = time.monotonic()
        if loaded < events and now < told_at + (0.1 if terminal else PROGRESS_SECONDS):
            return
        told_at = now
        line = f"loading demo events: {loaded:,} of {events:,}{_left(now - started, loaded, events)}"
        if terminal:
            line = f"\r[{'#' * round(loaded / events * WIDTH):-<{WIDTH}}] {line:<70}"
        click.echo(line, err=True, nl=loaded == events or not terminal)

    return tell


def _left(seconds: float, loaded: int, events: int) -> str:
    return "" if loaded in (0, events) else f", about {seconds / loaded * (events - loaded):.0f} s left"
