"""What `readstate dev` keeps between two starts, in the folder `.readstate`."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from readstate.config import TokenParts, TokenSettings, load
from readstate.errors import StartupError

STATE: Final = Path(".readstate")
ISSUER: Final = "readstate-dev"
AUDIENCE: Final = "readstate"


@contextmanager
def opened(state: Path) -> Iterator[None]:
    """Make the folder and its secret if missing, and hold the folder for this process.

    Raises:
        StartupError: another process holds it, or it cannot be written to.
    """
    try:
        state.mkdir(mode=0o700, exist_ok=True)
        state.chmod(0o700)
        lock = (state / "lock").open("a")
    except OSError as error:
        raise StartupError(f"cannot write to {state}: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartupError(f"`readstate dev` is running already in {state.absolute().parent}") from None
        (state / ".gitignore").write_text("*\n")
        _make_secret(_secret(state))
        yield


def token_values(state: Path) -> dict[str, object]:
    """Values of TokenSettings to sign with: those of `dev`, or none if the environment sets any.

    Raises:
        StartupError: the environment sets only some of issuer, audience and key. Or it sets none, and `dev` has no
            secret. Names what is missing.
    """
    if not TokenParts().model_fields_set and _secret(state).exists():
        return _values(_secret(state).read_text())
    configured = load(TokenSettings)
    if configured.token_secret is None:
        raise StartupError(
            "tokens are configured with a public key: only an HS256 secret, READSTATE_TOKEN_SECRET, signs"
        )
    return {}


def _values(secret: str) -> dict[str, object]:
    values = {"token_secret": secret, "token_issuer": ISSUER, "token_audience": AUDIENCE}
    return values | {"token_public_key": None, "token_jwks_url": None}


def _secret(state: Path) -> Path:
    return state / "token-secret"


def _make_secret(path: Path) -> None:
    if path.exists():
        return
    # Written elsewhere, then moved: an interrupted start leaves no empty secret.
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
    unfinished.replace(path)
