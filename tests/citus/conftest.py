"""A server with batches of one organisation, on the cluster whose coordinator CITUS_URL names."""

import os

import pytest

from readstate.config import ServerSettings
from tests.conftest import settings_on


@pytest.fixture(autouse=True)
def _needs_a_cluster() -> None:
    if "CITUS_URL" not in os.environ:
        pytest.skip("CITUS_URL names no Citus cluster: docs/operating/citus.md")


@pytest.fixture
def settings(database_url: str, monkeypatch: pytest.MonkeyPatch) -> ServerSettings:
    monkeypatch.setenv("READSTATE_BATCH", "organization")
    return settings_on(database_url)
