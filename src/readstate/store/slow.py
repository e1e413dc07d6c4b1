"""Statements that are slow have a line in the log, with their name and without their values."""

import sys
from collections import defaultdict
from functools import cache, partial
from typing import Final

import structlog

from readstate.store.plans import SLOW_SECONDS
from readstate.telemetry.seldom import Seldom

LOGGED_SECONDS: Final = 10.0
"""Between two lines on the same statement. A slow database makes every statement slow."""
_LONGEST: Final = 80

log = structlog.get_logger("readstate.store")


class SlowStatements:
    """The slow statements of one pool."""

    def __init__(self) -> None:
        self._is_logged: defaultdict[str, Seldom] = defaultdict(partial(Seldom, LOGGED_SECONDS))

    def took(self, statement: str, seconds: float) -> None:
        """Take note of how long a statement has taken, whether it succeeded or not."""
        if seconds > SLOW_SECONDS and self._is_logged[name := name_of(statement)]():
            log.warning("slow statement", statement=name, ms=round(seconds * 1000))


@cache
def name_of(statement: str) -> str:
    """The name of the constant that holds it, else its first words. Values are no part of a statement's text."""
    for path, module in tuple(sys.modules.items()):
        if path.startswith("readstate.store."):
            for name, value in tuple(vars(module).items()):
                if value is statement:
                    return name
    return " ".join(statement.split())[:_LONGEST]
