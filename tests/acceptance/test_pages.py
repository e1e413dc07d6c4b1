"""Every command on a page works as it is printed, beside `readstate dev`, and prints what the page says."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from tests.acceptance.blocks import PAGES, ROOT, Command, commands
from tests.acceptance.processes import Dev, Folder
from tests.tools import tool

Running = tuple[Folder, Dev]
RUN = {page: found for page in PAGES if (found := commands(page.read_text()))}
SECONDS = 60

# An answer with an error fails the command, as it would not on a terminal.
SETUP = "set -eo pipefail\ncurl() { command curl --fail-with-body --silent --show-error --noproxy '*' \"$@\"; }\n"
SEPARATOR = "── next command ──"


def script(page: list[Command], folder: Folder) -> str:
    """All commands of a page for one shell, with the ports of this test."""
    text = SETUP + "".join(f"{command.text}\necho; echo '{SEPARATOR}'\n" for command in page)
    return text.replace("127.0.0.1:8080", f"127.0.0.1:{folder.rest_port}").replace(
        "127.0.0.1:50051", f"127.0.0.1:{folder.port}"
    )


def names(answer: str) -> set[str]:
    """The names of the fields in what looks like JSON."""
    return set(re.findall(r'"(\w+)"\s*:', answer))


def agrees(said: str, answer: str) -> bool:
    """Whether the answer has every field that the page shows, or every line where it shows no fields."""
    return names(said) <= names(answer) if names(said) else set(said.split()) <= set(answer.split())


def lay_out(folder: Folder) -> None:
    """What pages use of a checkout: its sources and two commands, in a folder that has `readstate dev`'s data."""
    sources = folder.path / "src"
    if not sources.exists():
        sources.symlink_to(ROOT / "src")
    programs = folder.path / ".venv" / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    for name in ("readstate", "python"):
        command = "-m readstate " if name == "readstate" else ""
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {command}"$@"\n')
        (programs / name).chmod(0o755)


@pytest.mark.parametrize("page", RUN, ids=lambda page: str(page.relative_to(ROOT)))
async def test_every_command_prints_what_the_page_says(page: Path, running: Running) -> None:
    tool("curl", required_by="CURL")
    if any("grpcurl" in command.text for command in RUN[page]):
        tool("grpcurl", required_by="GRPCURL")
    folder, _ = running
    lay_out(folder)
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", script(RUN[page], folder), cwd=folder.path, env=folder.environment(),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(SECONDS):
        output, errors = await process.communicate()
    answers = output.decode().split(SEPARATOR)[:-1]
    assert process.returncode == 0, (RUN[page][len(answers)].text, errors.decode(), output.decode()[-500:])
    for command, answer in zip(RUN[page], answers, strict=True):
        assert agrees(command.output, answer), (command.text, answer)


def test_a_block_is_left_out_only_with_a_reason() -> None:
    assert commands("```sh\na\n```\n<!-- not run: it never ends. -->\n```sh\nb\n```\n") == [Command("a\n", "")]
    assert commands("<!-- not run: -->\n```sh\nb\n```\n") == [Command("b\n", "")]


def test_a_command_ends_where_a_shell_would_run_it() -> None:
    page = "```console\n$ a \\\n    'b\nc'\nsays\n$ d\n```\n"
    assert commands(page) == [Command("a \\\n    'b\nc'", "says"), Command("d", "")]
