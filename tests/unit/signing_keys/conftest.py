"""A JWKS endpoint that listens."""

from collections.abc import Iterator

import pytest

from tests.unit.signing_keys.endpoint import Endpoint


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    endpoint = Endpoint()
    endpoint.open()
    yield endpoint
    endpoint.close()
