"""Programs that a test needs and a newcomer may not have."""

import os
import shutil

import pytest


def tool(*names: str, required_by: str) -> str:
    """The path of the first of these programs that is installed.

    Skips the test where none is, but fails it where the environment sets READSTATE_REQUIRE_<required_by>, as CI does.
    """
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        assert not os.environ.get(f"READSTATE_REQUIRE_{required_by}"), f"{names[0]} is not installed"
        pytest.skip(f"{names[0]} is not installed")
    return path
