"""One `readstate dev` for the tests that only call it."""

from collections.abc import AsyncIterator

import pytest

from tests.acceptance import processes
from tests.acceptance.processes import Dev, Folder
from tests.tools import tool


@pytest.fixture
async def folder() -> AsyncIterator[Folder]:
    async with processes.folder() as made:
        yield made


@pytest.fixture(scope="module")
async def running() -> AsyncIterator[tuple[Folder, Dev]]:
    async with processes.folder() as made, made.developing() as dev:
        yield made, dev


@pytest.fixture
def grpcurl() -> None:
    tool("grpcurl", required_by="GRPCURL")
