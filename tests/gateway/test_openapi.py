"""The description that the gateway serves: true of what it does, and readable without any other server."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from httpx import AsyncClient

from readstate.gateway import notification_json, problems
from readstate.v1 import notifications_pb2 as pb
from tests.gateway.conftest import PATH, Bearer, Gateway
from tests.tools import tool

TAKING_TOKENS = (
    "/v1/system-events",
    "/v1/system-events/{id}/readers",
    "/v1/system-events/actions/undo-mark-all-read",
)
EXAMPLES = 30
"""Random requests of schemathesis to an operation. `make test` runs it on each engine: 60 in all, on one gateway."""
REFUSED = ("400", "401", "403", "404", "413", "415", "422", "429")
TAKING_IDS = (
    "/systemevent/read",
    "/v1/system-events/actions/mark-read",
    "/v1/system-events/actions/mark-unread",
)


@pytest.fixture
async def description(rest: AsyncClient) -> dict[str, Any]:
    response = await rest.get("/openapi.yaml")
    assert response.headers["content-type"] == "application/yaml"
    found: dict[str, Any] = yaml.safe_load(response.text)
    return found


async def run(*command: str, seconds: float = 120, **environment: str) -> tuple[int | None, str]:
    """Exit code and output of a command."""
    clean = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=clean | environment
    )
    async with asyncio.timeout(seconds):
        output, _ = await process.communicate()
    return process.returncode, output.decode(errors="replace")


# Not with `-W error`: what schemathesis imports is not ours.
async def test_schemathesis_finds_nothing(gateway: Gateway, demo_data: None, bearer: Bearer, tmp_path: Path) -> None:
    config = tmp_path / "schemathesis.toml"
    # A key that was used for another request is refused, however well the request is formed.
    statuses = ["2xx", "304", "401", "403", "404", "409", "422", "429"]
    config.write_text(
        f"[checks.positive_data_acceptance]\nexpected-statuses = {statuses}\n"
        # A cursor or an undo token that the service has not made is refused: a schema cannot tell.
        + "".join(
            f'[[operations]]\ninclude-path = "{path}"\n'
            f"[operations.checks.positive_data_acceptance]\nexpected-statuses = {['400', *statuses]}\n"
            for path in (*TAKING_TOKENS, *TAKING_IDS)  # `id` beside 10,000 `ids` is one too many
        )
        # Entries and fields that are of no use are ignored: the description promises less than the service takes.
        + "".join(
            f'[[operations]]\ninclude-path = "{path}"\n'
            f"[operations.checks.negative_data_rejection]\nexpected-statuses = {['200', *REFUSED]}\n"
            for path in TAKING_IDS
        )
    )
    program = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"]
    options = [
        "--checks",
        "all",
        "--max-examples",
        str(EXAMPLES),
        "--phases",
        "examples,coverage,fuzzing,stateful",
        "--no-color",
    ]
    scope = "messaging:read messaging:update system_events:audit"
    header = "Authorization: " + bearer("ada", scope=scope)["authorization"]
    command = [
        *program,
        "--config-file",
        str(config),
        "run",
        f"{gateway.url}/openapi.yaml",
        "--header",
        header,
        # It does not end.
        "--exclude-path",
        "/v1/unread/stream",
        *options,
    ]
    code, output = await run(*command, PYTHONWARNINGS="ignore")
    assert code == 0, output
    # Every operation was tried, and the run ends without failures (it says so by its code) whatever it warns of.
    assert re.search(r"Tested: +19\b", output), output
    assert "FAILURES" not in output


def resolved(description: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        found: Any = description
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


async def test_the_fields_of_a_notification_are_described_as_they_are_written(description: dict[str, Any]) -> None:
    full = pb.Notification(sender=pb.Actor(type=pb.ACTOR_TYPE_USER), resource=pb.Entity(id="ord_7"))
    written = json.loads(notification_json.notification(full))

    schemas = description["components"]["schemas"]
    for name, fields in ("Notification", written), ("Actor", written["sender"]), ("Entity", written["resource"]):
        assert list(schemas[name]["properties"]) == schemas[name]["required"] == list(fields)


async def test_every_answer_is_described_with_an_example_of_its_own_words(description: dict[str, Any]) -> None:
    seeds = {
        "post": {"200", "400", "401", "403", "500"},
        "delete": {"200", "400", "401", "500"},
    }
    for verb, statuses in seeds.items():
        responses = description["paths"][PATH][verb]["responses"]
        assert responses.keys() == statuses | {"413", "415", "429", "503", "504"}
        for status, response in responses.items():
            content = resolved(description, response)["content"]["application/json"]
            examples = (
                [content["example"]] if "example" in content else [e["value"] for e in content["examples"].values()]
            )
            if status in ("200", "400", "403"):
                assert examples
            else:
                assert examples == [{"error": problems.MESSAGES[int(status)]}]


async def test_the_examples_of_a_request_are_those_of_the_pages(description: dict[str, Any]) -> None:
    for operation in description["paths"][PATH].values():
        body = resolved(description, operation["requestBody"])["content"]["application/json"]
        assert [example["value"] for example in body["examples"].values()] == [
            {"id": 12345},
            {"ids": [12345, 12346, 12347]},
        ]


async def test_every_body_has_a_name_that_generators_call_it_by(description: dict[str, Any]) -> None:
    for kind in ("requestBodies", "responses"):
        for name, part in description["components"][kind].items():
            for content in part.get("content", {}).values():
                assert "$ref" in content["schema"], name


async def test_nothing_is_filled_in_that_makes_a_second_click_fail(description: dict[str, Any]) -> None:
    """Swagger UI fills in examples: a key or a request id of somebody else's, or a filter that nothing passes."""
    for parameter in description["components"]["parameters"].values():
        assert "example" not in parameter, parameter["name"]


async def test_every_path_that_is_served_is_described(description: dict[str, Any], rest: AsyncClient) -> None:
    for path, operations in description["paths"].items():
        allowed = (await rest.options(path.replace("{id}", "nf_0123456789ab"))).headers["allow"].split(", ")
        assert {verb.upper() for verb in operations} == set(allowed) - {"OPTIONS", "HEAD"}


# ── The page ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_page_and_its_parts_come_from_the_gateway_and_may_load_from_nowhere_else(rest: AsyncClient) -> None:
    page = await rest.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    parts = re.findall(r'(?:src|href)="(.+?)"', page.text)
    assert len(parts) == 5
    for part in parts:
        if part != "data:,":
            assert not re.match(r"[a-z]*:?//", part)
            response = await rest.get(f"/{part}")
            assert response.status_code == 200
            assert response.headers["content-type"].split(";")[0] in ("text/javascript", "text/css")


@pytest.fixture
def chromium() -> str:
    return tool("chromium", "chromium-browser", required_by="CHROMIUM")


@pytest.fixture
async def shown(gateway: Gateway, chromium: str, tmp_path: Path) -> tuple[str, str]:
    """The page as a browser makes it, and what the browser says meanwhile. It finds no other server."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--enable-logging=stderr"]
    options += ["--virtual-time-budget=10000", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"]
    page = tmp_path / "page.html"
    command = " ".join(f"'{word}'" for word in [chromium, *options, "--dump-dom", f"{gateway.url}/docs"])
    _, log = await run("sh", "-c", f"{command} > {page}", HOME=str(tmp_path))
    return page.read_text(), log


async def test_a_browser_shows_every_call_folded(shown: tuple[str, str], description: dict[str, Any]) -> None:
    page, log = shown
    assert "OAS" in page, log
    for operations in description["paths"].values():
        for operation in operations.values():
            assert operation["summary"] in page
    assert "Missing or invalid id or ids" not in page
    complaints = [line for line in log.splitlines() if "CONSOLE" in line]
    assert complaints == []
