"""The embedded PostgreSQL, and how it recovers from a killed process."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import asyncpg
import pytest

from readstate.dev import embedded
from readstate.dev.embedded import program
from readstate.errors import StartupError
from tests.memory import place_of_data

FAST = {"fsync": "off"}

OWNER = """
import sys
from pathlib import Path
from readstate.dev import embedded
with embedded.postgres(Path(sys.argv[1]), settings={"fsync": "off"}) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not tmp_path: as root PostgreSQL runs as another user, who may not enter pytest's folders.
    base = Path(tempfile.mkdtemp(prefix="embedded-", dir=place_of_data()))
    yield base / "data"
    shutil.rmtree(base)


@contextmanager
def owner(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that runs PostgreSQL in `folder`."""
    command = [sys.executable, "-W", "error", "-c", OWNER, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("postgresql://")
        try:
            yield process
        finally:
            process.kill()


def server_pid(folder: Path) -> int:
    return int((folder / "postmaster.pid").read_text().splitlines()[0])


async def ask(url: str, question: str) -> object:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def test_data_is_there_again_after_stop_and_start(folder: Path) -> None:
    with embedded.postgres(folder) as url:
        await ask(url, "SELECT 1 FROM (SELECT set_config('search_path', 'public', false)) s")
        await ask(url, "CREATE TABLE kept ()")
    assert not (folder / "postmaster.pid").exists()
    with embedded.postgres(folder) as url:
        assert await ask(url, "SELECT count(*) FROM kept") == 0


async def test_the_environment_does_not_change_the_server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"LANG": "xx_YY.UTF-8", "LC_ALL": "C", "PGPORT": "1", "PGDATA": "/nowhere", "TZ": "CET"}.items():
        monkeypatch.setenv(name, value)
    with embedded.postgres(folder, settings=FAST) as url:
        encoding = "SELECT pg_encoding_to_char(encoding) || datlocale FROM pg_database WHERE datname = 'postgres'"
        assert await ask(url, encoding) == "UTF8C.UTF-8"
        assert await ask(url, "SELECT current_setting('timezone')") == "UTC"


async def test_settings_reach_the_server(folder: Path) -> None:
    with embedded.postgres(folder, settings=FAST | {"max_connections": "17"}) as url:
        assert await ask(url, "SELECT current_setting('max_connections')") == "17"


async def test_a_folder_too_long_for_a_socket_works(folder: Path) -> None:
    with embedded.postgres(folder.with_name("long" * 40) / "data", settings=FAST) as url:
        assert await ask(url, "SELECT 1") == 1


async def test_a_server_whose_owner_was_killed_is_replaced(folder: Path) -> None:
    with owner(folder) as process:
        process.kill()
        process.wait()
        left = server_pid(folder)
        sockets = (folder / "postmaster.pid").read_text().splitlines()[4]
    with embedded.postgres(folder, settings=FAST) as url:
        assert server_pid(folder) != left
        assert not os.path.exists(sockets)  # noqa: ASYNC240
        assert await ask(url, "SELECT 1") == 1


async def test_a_killed_server_starts_again(folder: Path) -> None:
    with owner(folder) as process:
        os.kill(server_pid(folder), signal.SIGKILL)
        assert process.communicate(timeout=10) is not None
        assert process.returncode == 0
    with embedded.postgres(folder, settings=FAST) as url:
        assert await ask(url, "SELECT 1") == 1


async def test_owner_and_server_killed_at_once_start_again(folder: Path) -> None:
    with owner(folder) as process:
        process.kill()
        os.kill(server_pid(folder), signal.SIGKILL)
    with embedded.postgres(folder, settings=FAST) as url:
        assert await ask(url, "SELECT 1") == 1


async def test_a_process_id_that_is_now_some_other_process_is_left_alone(folder: Path) -> None:
    with owner(folder) as process:
        lines = (folder / "postmaster.pid").read_text().splitlines(keepends=True)
        process.kill()
        os.kill(server_pid(folder), signal.SIGKILL)
    # Of the server's own user: PostgreSQL takes another user's process for a stale id by itself.
    user = pwd.getpwnam(embedded.ROOT_USER).pw_uid if os.geteuid() == 0 else None
    with subprocess.Popen(["sleep", "60"], user=user) as stranger, ExitStack() as stack:  # noqa: ASYNC220
        stack.callback(stranger.kill)
        (folder / "postmaster.pid").write_text("".join([f"{stranger.pid}\n", *lines[1:]]))
        with embedded.postgres(folder, settings=FAST) as url:
            assert await ask(url, "SELECT 1") == 1
        assert stranger.poll() is None


async def test_an_interrupted_initdb_is_begun_anew(folder: Path) -> None:
    (folder.parent / "data.new").mkdir()
    (folder.parent / "data.new" / "PG_VERSION").write_text("18\n")
    with embedded.postgres(folder, settings=FAST) as url:
        assert await ask(url, "SELECT 1") == 1


@pytest.mark.alone
async def test_stopping_does_not_wait_for_open_connections(folder: Path) -> None:
    with embedded.postgres(folder, settings=FAST) as url:
        connection = await asyncpg.connect(url)
        await connection.execute("BEGIN")
        began = time.monotonic()
    assert time.monotonic() - began < 2
    connection.terminate()


@pytest.mark.alone
def test_a_server_that_does_not_react_is_stopped_within_a_bound(folder: Path) -> None:
    with embedded.postgres(folder, settings=FAST):
        os.kill(server_pid(folder), signal.SIGSTOP)
        began = time.monotonic()
    assert time.monotonic() - began < embedded.STOP_SECONDS + 3


def test_a_folder_in_use_is_refused(folder: Path) -> None:
    with embedded.postgres(folder, settings=FAST), pytest.raises(StartupError, match="another process is using"):
        embedded.postgres(folder, settings=FAST).__enter__()


def test_a_folder_that_holds_something_else_is_refused_and_left_alone(folder: Path) -> None:
    folder.mkdir()
    (folder / "letter").write_text("dear …")
    with pytest.raises(StartupError, match="neither empty nor a PostgreSQL data folder"):
        embedded.postgres(folder).__enter__()
    assert (folder / "letter").exists()


def test_why_the_server_does_not_start_is_said_in_one_line(folder: Path) -> None:
    with pytest.raises(StartupError, match=r'unrecognized configuration parameter "nonsense"') as raised:
        embedded.postgres(folder, settings={"nonsense": "1"}).__enter__()
    assert "\n" not in str(raised.value)


def test_errors_of_the_block_pass_unchanged(folder: Path) -> None:
    with pytest.raises(OSError, match="mine"), embedded.postgres(folder, settings=FAST):
        raise OSError("mine")
    assert not (folder / "postmaster.pid").exists()


def test_without_the_package_the_way_out_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "find_spec", lambda _name: None)
    with pytest.raises(StartupError, match=r"READSTATE_DATABASE_URL.*readstate\[embedded\]"):
        embedded.postgres(folder).__enter__()


def test_the_data_of_an_ordinary_user_is_in_the_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert embedded.data_folder(tmp_path) == tmp_path / "postgres"


def test_the_data_of_root_has_a_random_name_that_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    folder = embedded.data_folder(tmp_path)
    assert folder.parent == Path("/var/lib/readstate-dev")
    assert embedded.data_folder(tmp_path) == folder
    (tmp_path / "postgres-name").write_text("../../etc")
    with pytest.raises(StartupError, match="does not hold the name"):
        embedded.data_folder(tmp_path)
