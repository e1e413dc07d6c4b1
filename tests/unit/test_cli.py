"""The commands, started as processes: exit codes, and one line where something is wrong."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import jwt
import pytest

from readstate.check import reachable
from readstate.dev import state_folder

SECRET = "canary-" * 5
TOKENS = {
    "READSTATE_TOKEN_ISSUER": "https://id.example",
    "READSTATE_TOKEN_AUDIENCE": "readstate",
    "READSTATE_TOKEN_SECRET": SECRET,
}

Readstate = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def readstate(tmp_path: Path) -> Readstate:
    """Runs a command in an empty folder, with no settings but those given."""

    def run(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        environment = {name: value for name, value in os.environ.items() if not name.startswith("READSTATE_")}
        command = [sys.executable, "-W", "error", "-m", "readstate", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment | settings, capture_output=True, text=True, timeout=30
        )

    return run


def refused(done: "subprocess.CompletedProcess[str]") -> str:
    """The one line on stderr of a command that could not run."""
    assert done.returncode == 1, done
    assert done.stdout == ""
    assert done.stderr.startswith("readstate: ")
    assert done.stderr.count("\n") == 1
    assert "canary" not in done.stderr
    return done.stderr


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is bound, so that nobody else takes it, and on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


def test_serve_names_every_setting_that_is_missing(readstate: Readstate) -> None:
    line = refused(readstate("serve"))
    for name in ("READSTATE_DATABASE_URL", "READSTATE_TOKEN_ISSUER", "READSTATE_TOKEN_AUDIENCE"):
        assert name in line


def test_serve_says_that_the_database_cannot_be_reached(readstate: Readstate, closed_port: int) -> None:
    url = f"postgresql://u:canary@127.0.0.1:{closed_port}/readstate"
    line = refused(readstate("serve", READSTATE_DATABASE_URL=url, **TOKENS))
    assert "READSTATE_DATABASE_URL: the database cannot be reached" in line


@pytest.mark.parametrize("url", ["canary", "mysql://canary/x", "postgresql://canary:port/x"])
def test_migrate_says_that_the_url_is_not_one(readstate: Readstate, url: str) -> None:
    assert "not a usable connection URI" in refused(readstate("migrate", READSTATE_DATABASE_URL=url))


def test_migrate_needs_only_the_database(readstate: Readstate) -> None:
    assert refused(readstate("migrate")) == "readstate: READSTATE_DATABASE_URL is not set\n"


@pytest.mark.parametrize("age", ["180", "d", "1.5d", "-1d", "0d", "36501d", "1w", "१d"])
def test_prune_says_what_an_age_is(readstate: Readstate, age: str) -> None:
    line = refused(readstate("prune", "--events-older-than", age, READSTATE_DATABASE_URL="postgresql://u:canary@h/d"))
    assert "READSTATE_PRUNE_EVENTS_OLDER_THAN: must be a whole number and a unit, s, m, h or d, as in 180d" in line


def test_forget_has_to_be_told_whom(readstate: Readstate) -> None:
    done = readstate("forget", "--user", "", READSTATE_DATABASE_URL="postgresql://h/d")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--user or --org is required" in done.stderr


def test_check_fails_where_nothing_answers(readstate: Readstate, closed_port: int) -> None:
    assert "does not answer" in refused(readstate("check", READSTATE_LISTEN=f"0.0.0.0:{closed_port}"))
    assert "does not answer" in refused(readstate("check", "--address", f"127.0.0.1:{closed_port}"))
    assert "READSTATE_LISTEN: must be HOST:PORT" in refused(readstate("check", "--address", "nowhere"))


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("0.0.0.0:1", "127.0.0.1:1"),
        ("[::]:1", "[::1]:1"),
        ("127.0.0.1:1", "127.0.0.1:1"),
        ("db.example:1", "db.example:1"),
    ],
)
def test_a_server_on_every_address_is_reached_by_loopback(listen: str, address: str) -> None:
    assert reachable(listen) == address


def test_token_prints_a_token_for_the_configured_secret(readstate: Readstate) -> None:
    done = readstate("token", "--user", "ada", "--scope", "a b", "--org", "acme", "--expires-in", "60", **TOKENS)
    assert done.returncode == 0
    assert done.stderr == ""
    claims = jwt.decode(
        done.stdout.strip(), SECRET, ["HS256"], audience="readstate", issuer=TOKENS["READSTATE_TOKEN_ISSUER"]
    )
    assert (claims["sub"], claims["scope"], claims["org_id"]) == ("ada", "a b", "acme")
    assert claims["exp"] - claims["iat"] == 60


def test_token_makes_an_expired_token_on_request(readstate: Readstate) -> None:
    done = readstate("token", "--user", "ada", "--expires-in", "-60", **TOKENS)
    with pytest.raises(jwt.ExpiredSignatureError):
        jwt.decode(done.stdout.strip(), SECRET, ["HS256"], audience="readstate")


def test_token_names_the_settings_that_are_missing(readstate: Readstate) -> None:
    line = refused(readstate("token", "--user", "ada"))
    assert "READSTATE_TOKEN_ISSUER" in line
    assert "READSTATE_TOKEN_AUDIENCE" in line


def test_token_cannot_sign_with_a_public_key(readstate: Readstate) -> None:
    settings = {name: value for name, value in TOKENS.items() if name != "READSTATE_TOKEN_SECRET"}
    line = refused(readstate("token", "--user", "ada", READSTATE_TOKEN_PUBLIC_KEY="key.pem", **settings))
    assert "HS256" in line


def test_token_uses_the_secret_of_dev_in_its_folder(readstate: Readstate, tmp_path: Path) -> None:
    state = tmp_path / state_folder.STATE
    with state_folder.opened(state):
        secret = (state / "token-secret").read_text()
    done = readstate("token", "--user", "bob")
    assert jwt.decode(done.stdout.strip(), secret, ["HS256"], audience="readstate")["iss"] == state_folder.ISSUER
    done = readstate("token", "--user", "bob", **TOKENS)
    assert jwt.decode(done.stdout.strip(), SECRET, ["HS256"], audience="readstate")


@pytest.mark.parametrize("missing", TOKENS)
def test_a_part_of_the_token_settings_is_not_replaced_by_those_of_dev(
    readstate: Readstate, tmp_path: Path, missing: str
) -> None:
    with state_folder.opened(tmp_path / state_folder.STATE):
        pass
    part = {name: value for name, value in TOKENS.items() if name != missing}
    database = {"READSTATE_DATABASE_URL": "postgresql://nobody.invalid/x"}
    for command in (("token", "--user", "bob"), ("dev",)):
        line = refused(readstate(*command, **part, **database))
        assert missing in line
        assert not any(f"{name} is not set" in line for name in part)


def test_a_setting_of_tokens_that_dev_does_not_name_leaves_its_own(readstate: Readstate, tmp_path: Path) -> None:
    with state_folder.opened(tmp_path / state_folder.STATE):
        secret = (tmp_path / state_folder.STATE / "token-secret").read_text()
    done = readstate("token", "--user", "bob", "--org", "acme", READSTATE_TOKEN_ORG_CLAIM="tenant")
    assert jwt.decode(done.stdout.strip(), secret, ["HS256"], audience="readstate")["tenant"] == "acme"


def test_dev_keeps_its_secret_to_itself(tmp_path: Path) -> None:
    state = tmp_path / state_folder.STATE
    with state_folder.opened(state):
        pass
    secret = state / "token-secret"
    assert state.stat().st_mode & 0o777 == 0o700
    assert secret.stat().st_mode & 0o777 == 0o600
    kept = secret.read_text()
    with state_folder.opened(state):
        assert secret.read_text() == kept


def test_dev_runs_once_in_a_folder(readstate: Readstate, tmp_path: Path) -> None:
    with state_folder.opened(tmp_path / state_folder.STATE):
        assert "is running already" in refused(readstate("dev"))


def test_dev_says_that_its_database_cannot_be_reached(readstate: Readstate, closed_port: int) -> None:
    url = f"postgresql://u:canary@127.0.0.1:{closed_port}/readstate"
    assert "READSTATE_DATABASE_URL" in refused(readstate("dev", READSTATE_DATABASE_URL=url))


@pytest.mark.parametrize("arguments", [["unknown"], ["token"], ["dev", "--events", "-1"], ["serve", "extra"]])
def test_a_wrong_command_line_is_a_usage_error(readstate: Readstate, arguments: list[str]) -> None:
    done = readstate(*arguments)
    assert done.returncode == 2
    assert "Usage:" in done.stderr


def test_version_is_the_packages(readstate: Readstate) -> None:
    try:
        expected = version("readstate")
    except PackageNotFoundError:
        pytest.skip("runs from the source folder, without an installed package")
    assert expected in readstate("--version").stdout
