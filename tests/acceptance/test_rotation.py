"""Keys and certificates are replaced by new ones: who holds a good token is refused by no real server."""

from pathlib import Path
from typing import Any

import jwt
import pytest

from readstate.client import ReadState
from readstate.errors import InvalidToken, UnknownUser
from readstate.identity.tokens import sign
from tests.conftest import settings_on
from tests.rpc.test_tls import OURS, THEIRS
from tests.serving import Serving, serving
from tests.unit.signing_keys.keys import EC_KEY, RSA_KEY, pem

OLD, NEW = "the old secret of these tests, long enough", "the new secret of these tests, long enough"


async def accepts(server: Serving, key: Any, algorithm: str = "HS256") -> bool:
    """Whether the server takes a token that this key has signed."""
    settings = settings_on("")
    claims = {"iss": settings.token_issuer, "aud": settings.token_audience, "sub": "ada", "exp": 2**31}
    token = jwt.encode(claims, key, algorithm)
    async with ReadState(f"127.0.0.1:{server.port}", token=token) as ada:
        with pytest.raises((UnknownUser, InvalidToken)) as raised:
            await ada.mark_read([1])
    return raised.type is UnknownUser


async def test_two_secrets_are_accepted_while_issuers_change(database_url: str) -> None:
    both = {"READSTATE_TOKEN_SECRET": OLD, "READSTATE_TOKEN_SECOND_SECRET": NEW}
    for variables, accepted in (
        ({"READSTATE_TOKEN_SECRET": OLD}, (True, False)),
        (both, (True, True)),
        ({"READSTATE_TOKEN_SECRET": NEW}, (False, True)),
    ):
        async with serving(database_url, **variables) as server:
            assert (await accepts(server, OLD), await accepts(server, NEW)) == accepted


async def test_two_key_files_are_accepted_while_issuers_change(database_url: str, tmp_path: Path) -> None:
    first, second = tmp_path / "first.pem", tmp_path / "second.pem"
    first.write_bytes(pem(RSA_KEY.public_key()))
    second.write_bytes(pem(EC_KEY.public_key()))
    files = {"READSTATE_TOKEN_PUBLIC_KEY": str(first), "READSTATE_TOKEN_SECOND_PUBLIC_KEY": str(second)}
    async with serving(database_url, READSTATE_TOKEN_SECRET="", **files) as server:
        assert await accepts(server, RSA_KEY, "RS256")
        assert await accepts(server, EC_KEY, "ES256")
        assert not await accepts(server, EC_KEY.private_numbers().private_value.to_bytes(32), "HS256")


async def test_a_new_certificate_is_shown_by_the_process_that_runs(database_url: str, tmp_path: Path) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"

    def install(issued: tuple[bytes, bytes]) -> None:
        for path, content in zip((key, cert), issued, strict=True):
            path.write_bytes(content)

    install(OURS.issue("server"))
    files = {"READSTATE_TLS_KEY": str(key), "READSTATE_TLS_CERT": str(cert), "READSTATE_ENGINE": "grpcio"}
    async with serving(database_url, **files) as server:
        for issuer in OURS, THEIRS:
            install(issuer.issue("server"))
            async with ReadState(
                f"localhost:{server.port}",
                token=sign(settings_on(""), user="ada"),
                root_certificates=issuer.certificate,
            ) as ada:
                with pytest.raises(UnknownUser):
                    await ada.mark_read([1])
    assert sum("the TLS files have changed" in line for line in server.lines) >= 1
