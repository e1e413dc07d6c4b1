"""The samples of the contract's pages, in the languages that run here: all but the address and the token is theirs."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path

import pytest

from readstate.client import ReadState
from readstate.model import MarkResult
from tests.gateway.conftest import PATH, Bearer, Gateway
from tests.gateway.wire import Wire
from tests.tools import tool

IDS = [12345, 12346, 12347]
PAGES = dict(
    re.findall(
        r"\n## (post|delete)__systemevent_read\n(.*?)(?=\n## |\Z)",
        (Path(__file__).parent / "samples.md").read_text(),
        re.S,
    )
)

JAVA = """
import java.io.*;
import java.net.*;

public class Sample {
    public static void main(String[] arguments) throws Exception {
        %s
    }
}
"""


def sample(verb: str, language: str, gateway: Gateway, token: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGES[verb], re.S)
    return str(found).replace("https://backend.flashback.tech", gateway.url).replace("your-jwt-token", token)


async def output(*command: str) -> str:
    """What a command prints, if it succeeds."""
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, env=environment)
    async with asyncio.timeout(60):
        stdout, stderr = await process.communicate()
    assert process.returncode == 0, stderr.decode()
    return stdout.decode()


@pytest.fixture
def token(bearer: Bearer) -> str:
    return bearer("ada")["authorization"].removeprefix("Bearer ")


@pytest.fixture
async def events(ada: ReadState, producer: ReadState, request: pytest.FixtureRequest) -> None:
    """The events that the samples name, unread before a POST, read before a DELETE."""
    await producer.record_system_events("acme", [{"event_id": i, "type": "sample"} for i in IDS])
    await (ada.mark_unread if request.node.callspec.params["verb"] == "post" else ada.mark_read)(IDS)


async def left(ada: ReadState, verb: str) -> MarkResult:
    """What is left to do of a sample's work."""
    return await (ada.mark_read(IDS) if verb == "post" else ada.mark_unread(IDS))


verbs = pytest.mark.parametrize("verb", ["post", "delete"])


@verbs
async def test_the_curl_commands_answer_success(
    verb: str, events: None, gateway: Gateway, token: str, ada: ReadState
) -> None:
    tool("curl", required_by="CURL")
    commands = sample(verb, "shell", gateway, token)
    assert commands.count("curl -X") == 2  # one id, and many
    script = commands.replace("curl -X", "curl --silent --show-error --noproxy '*' --write-out '\\n' -X")
    answers = (await output("sh", "-ec", script)).splitlines()
    assert [json.loads(answer) for answer in answers] == [{"success": True}] * 2
    assert await left(ada, verb) == MarkResult(changed=0, matched=3)


@verbs
async def test_fetch_in_node_answers_success(
    verb: str, events: None, gateway: Gateway, token: str, ada: ReadState
) -> None:
    answer = await output(tool("node", required_by="NPM"), "--eval", sample(verb, "javascript", gateway, token))
    assert answer == "{ success: true }\n"
    assert await left(ada, verb) == MarkResult(changed=2, matched=3)


@verbs
async def test_requests_in_python_answers_success(
    verb: str, events: None, gateway: Gateway, token: str, ada: ReadState
) -> None:
    answer = await output(sys.executable, "-c", sample(verb, "python", gateway, token))
    assert answer == "{'success': True}\n"
    assert await left(ada, verb) == MarkResult(changed=2, matched=3)


@verbs
async def test_java_answers_success(
    verb: str, events: None, gateway: Gateway, token: str, ada: ReadState, tmp_path: Path
) -> None:
    tool("javac", required_by="JAVA")
    source = tmp_path / "Sample.java"
    source.write_text(JAVA % sample(verb, "java", gateway, token))
    assert await output(tool("java", required_by="JAVA"), str(source)) == '{"success":true}\n'
    assert await left(ada, verb) == MarkResult(changed=2, matched=3)


@verbs
async def test_the_plain_request_with_its_whole_address_answers_success(
    verb: str, events: None, gateway: Gateway, token: str, ada: ReadState
) -> None:
    # The page leaves out the length, which every client adds.
    text = sample(verb, "http", gateway, token).strip().replace("\n\n", "\nContent-Length: 13\n\n")
    async with Wire(gateway.port) as wire:
        reply = await wire.send(text.replace("\n", "\r\n").encode())
    assert (reply.status, reply.body) == (200, b'{"success":true}')
    assert await left(ada, verb) == MarkResult(changed=2, matched=3)


def test_every_sample_is_for_the_path_of_the_contract() -> None:
    for page in PAGES.values():
        assert page.count(f"https://backend.flashback.tech{PATH}") == 6
