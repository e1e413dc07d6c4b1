"""`pip install readstate`: the client alone, in an environment of somebody else's choice."""

import asyncio
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from readstate.client import ReadState
from readstate.config import ServerSettings
from readstate.identity import tokens
from readstate.model import MarkResult
from readstate.server.app import RunningServer

ROOT = Path(__file__).resolve().parents[2]
CLIENT = {"readstate", "grpcio", "grpcio-status", "googleapis-common-protos", "protobuf", "typing-extensions", "pip"}
"""All that is installed. Python itself brings pip, and old ones setuptools."""

PROGRAM = """
import asyncio, sys
from readstate.client import InvalidEventIds, InvalidToken, ReadState

async def main(address, token):
    async with ReadState(address, token=token) as readstate:
        result = await readstate.mark_read([1, 2])
        print(result.changed, result.matched)
        try:
            await readstate.mark_read([])
        except InvalidEventIds as error:
            print(error.field)
    async with ReadState(address, token="none") as stranger:
        try:
            await stranger.unread_count()
        except InvalidToken as error:
            print(error.message)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(ROOT)], check=True, timeout=100)
    (made,) = folder.glob("readstate-*.whl")
    return made


async def run(*command: str | Path) -> tuple[int | None, str]:
    """Exit code and output."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *map(str, command), stdout=pipe, stderr=asyncio.subprocess.STDOUT, cwd="/"
    )
    async with asyncio.timeout(150):
        output, _ = await process.communicate()
    return process.returncode, output.decode()


async def environment(folder: Path, *packages: str | Path) -> Path:
    """A new environment with these packages. Skips where there is no index to install from; CI has one."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    quiet = ("--quiet", "--disable-pip-version-check", "--only-binary", ":all:")
    code, output = await run(python, "-m", "pip", "install", *quiet, "--upgrade", *packages)
    if code and not os.environ.get("READSTATE_REQUIRE_INDEX"):
        pytest.skip(f"pip cannot install: {output.splitlines()[-1]}")
    assert code == 0, output
    return python


@pytest.mark.parametrize(
    "beside",
    [["grpcio", "grpcio-status", "protobuf"], ["grpcio==1.80.0", "grpcio-status==1.80.0", "protobuf==6.31.1"]],
    ids=["newest", "oldest"],
)
async def test_the_wheel_alone_marks_an_event(
    beside: list[str], wheel: Path, server: RunningServer, settings: ServerSettings, ada: ReadState, tmp_path: Path
) -> None:
    python = await environment(tmp_path / "venv", wheel, *beside)
    _, listed = await run(python, "-m", "pip", "list", "--format", "freeze", "--disable-pip-version-check")
    installed = {line.partition("==")[0].replace("_", "-") for line in listed.split()}
    assert installed - {"setuptools"} <= CLIENT
    program: list[str | Path] = [python, "-W", "error", "-c", PROGRAM, f"127.0.0.1:{server.port}"]
    code, output = await run(*program, tokens.sign(settings, user="ada"))
    assert (code, output.splitlines()) == (0, ["2 2", "event_ids", "the bearer token is not valid"]), output
    assert await ada.mark_read([1, 2]) == MarkResult(changed=0, matched=2)
    code, output = await run(python.with_name("readstate"), "serve")
    assert (code, output.splitlines()) == (
        1,
        ["readstate: no module click: the commands need pip install 'readstate[server]'"],
    )
