"""Programs that a test needs and a newcomer may not have."""

import os
import shutil
from typing import NoReturn

import pytest


def tool(*names: str, required_by: str) -> str:
    """The path of the first of these programs that is installed.

    Skips the test where none is, but fails it where the environment sets READSTATE_REQUIRE_<required_by>, as CI does.
    """
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        missing(f"{names[0]} is not installed", required_by=required_by)
    return path


def missing(why: str, *, required_by: str) -> NoReturn:
    """Skip the test, or fail it where the environment sets READSTATE_REQUIRE_<required_by>."""
    assert not os.environ.get(f"READSTATE_REQUIRE_{required_by}"), why
    pytest.skip(why)
