"""What an endpoint may answer, and what is logged of it."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from readstate.errors import SigningKeysUnavailable
from readstate.identity.signing_keys.jwks_url import LARGEST_JWKS, JwksKeys
from tests.unit.signing_keys.endpoint import Endpoint, eventually
from tests.unit.signing_keys.keys import GARBAGE, NEW_SET, PASSED_OVER, jwks

CANARY = "canary-7f3a"

UNFIT_ANSWERS: dict[str, dict[str, Any]] = {
    "status 500": {"status": 500, "body": NEW_SET},
    "status 404": {"status": 404},
    "redirect": {"status": 302, "headers": {"Location": "/other"}, "body": NEW_SET},
    "garbage": {"body": GARBAGE["HTML"]},
    "not UTF-8": {"body": GARBAGE["not UTF-8"]},
    "nested deep": {"body": GARBAGE["nested deep"]},
    "no usable key": {"body": jwks(PASSED_OVER["symmetric"])},
    "oversize": {"body": NEW_SET + b" " * LARGEST_JWKS},
    "cut short": {"body": NEW_SET[:40], "headers": {"Content-Length": str(len(NEW_SET))}},
}


@pytest.mark.parametrize("answer", UNFIT_ANSWERS.values(), ids=UNFIT_ANSWERS.keys())
async def test_an_unfit_answer_leaves_the_last_good_set_in_use(endpoint: Endpoint, answer: dict[str, Any]) -> None:
    async with JwksKeys(endpoint.url, cool_down=0) as keys:
        for name, value in answer.items():
            setattr(endpoint, name, value)
        with pytest.raises(SigningKeysUnavailable):
            await keys.find("new")
        assert await keys.find("old")
        assert keys.generation == 1
    assert endpoint.asked == 2


@pytest.mark.alone
async def test_an_answer_that_drips_is_given_up_in_time_and_so_is_its_connection(endpoint: Endpoint) -> None:
    endpoint.drip = 0.02
    begun = time.monotonic()
    async with JwksKeys(endpoint.url, timeout=0.2) as keys:
        assert time.monotonic() - begun < 2
        with pytest.raises(SigningKeysUnavailable):
            await keys.find("old")
    await eventually(lambda: endpoint.abandoned == 1)


@pytest.mark.alone
async def test_headers_that_drip_are_given_up_in_time_and_so_is_their_connection(endpoint: Endpoint) -> None:
    endpoint.drips_headers = True
    begun = time.monotonic()
    async with JwksKeys(endpoint.url, timeout=0.2):
        assert time.monotonic() - begun < 2
        await eventually(lambda: endpoint.abandoned == 1)


@pytest.mark.alone
async def test_a_command_ends_at_once_while_an_endpoint_drips(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.drips_headers = True
    environment = {name: value for name, value in os.environ.items() if not name.startswith("READSTATE_")}
    values = {"DATABASE_URL": "postgresql://nobody.invalid/x", "TOKEN_ISSUER": "i", "TOKEN_AUDIENCE": "a"}
    values |= {"TOKEN_JWKS_URL": endpoint.url}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "readstate", "serve",
        cwd=tmp_path, env=environment | {f"READSTATE_{name}": value for name, value in values.items()},
    )  # fmt: skip
    try:
        await eventually(lambda: endpoint.asked == 1, seconds=30)
        process.terminate()
        async with asyncio.timeout(3):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_an_endpoint_is_asked_by_way_of_the_proxy_that_the_environment_names(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", endpoint.url)
    async with JwksKeys("http://issuer.invalid/jwks.json") as keys:
        assert await keys.find("old")


async def test_why_a_fetch_failed_is_logged_in_words_of_ours(logged: Callable[[], str], endpoint: Endpoint) -> None:
    answers: dict[str, dict[str, Any]] = {
        "no whole answer in time": {"drip": 0.1},
        "HTTP status 503": {"drip": None, "status": 503},
        "not a JWK Set": {"status": 200, "body": CANARY.encode()},
        "no usable key in the JWK Set": {"body": jwks({"kty": CANARY})},
    }
    for reason, answer in answers.items():
        for name, value in answer.items():
            setattr(endpoint, name, value)
        async with JwksKeys(f"{endpoint.url}?key={CANARY}", timeout=1):
            pass
        line = json.loads(logged().splitlines()[-1])
        assert (line["event"], line["level"]) == ("signing keys could not be fetched", "warning")
        assert line["reason"] == reason
    assert CANARY not in logged()


async def test_no_line_of_the_log_holds_the_url_or_a_broken_answer(
    logged: Callable[[], str], endpoint: Endpoint
) -> None:
    endpoint.headers = {"Content-Length": CANARY, "Set-Cookie": f"{CANARY}\x01={CANARY}"}
    async with JwksKeys(f"{endpoint.url}?key={CANARY}"):
        pass
    endpoint.close()
    async with JwksKeys(f"{endpoint.url}?key={CANARY}"):
        pass
    lines = [json.loads(line) for line in logged().splitlines()]
    assert [line["event"] for line in lines] == ["signing keys could not be fetched"] * 2
    assert all(line["exception"][0]["type"] for line in lines)
    assert CANARY not in logged()


async def test_another_set_is_logged_with_the_number_of_its_keys(logged: Callable[[], str], endpoint: Endpoint) -> None:
    async with JwksKeys(endpoint.url):
        pass
    [line] = map(json.loads, logged().splitlines())
    assert (line["event"], line["level"], line["count"]) == ("signing keys changed", "info", 1)
