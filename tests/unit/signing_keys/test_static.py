"""A secret or a PEM file."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from readstate.config import TokenSettings
from readstate.errors import StartupError
from readstate.identity.signing_keys import SigningKey, StaticKey, key_source
from tests.unit.signing_keys.keys import AUDIENCE, EC_KEY, ISSUER, OLD, RSA_KEY, WEAK_RSA_KEY, bearer, pem, verifier

SECRET = "a secret of these tests, 32 bytes or more"


def settings(**values: Any) -> TokenSettings:
    return TokenSettings(token_issuer=ISSUER, token_audience=AUDIENCE, **values)


@pytest.mark.parametrize(
    ("private", "algorithm"),
    [(RSA_KEY, "RS256"), (EC_KEY, "ES256"), (OLD, "EdDSA")],
    ids=["RSA", "P-256", "Ed25519"],
)
async def test_a_pem_public_key_verifies_with_the_algorithm_of_its_kind(
    private: Any, algorithm: str, tmp_path: Path
) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(pem(private.public_key()))
    async with key_source(settings(token_public_key=path)) as keys:
        key = await keys.find("whatever")
        assert key is not None
        assert key.algorithm == algorithm
        assert isinstance(keys, StaticKey)
        assert (await verifier(keys).verify(bearer(private, algorithm))).user_id == "ada"


UNFIT_PEM = {
    "empty": b"",
    "no PEM": b"hunter2 " * 8,
    "not ASCII": b"\xff\xfe\x00" * 20,
    "damaged": pem(RSA_KEY.public_key()).replace(b"A", b"!"),
    "cut": pem(RSA_KEY.public_key())[:200],
    "RSA of 1024 bits": pem(WEAK_RSA_KEY.public_key()),
    "P-384": pem(ec.generate_private_key(ec.SECP384R1()).public_key()),
    "secp256k1": pem(ec.generate_private_key(ec.SECP256K1()).public_key()),
    "Ed448": pem(ed448.Ed448PrivateKey.generate().public_key()),
    "private key": OLD.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
}


@pytest.mark.parametrize("content", UNFIT_PEM.values(), ids=UNFIT_PEM.keys())
def test_any_other_file_stops_the_start_and_is_not_shown(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    with pytest.raises(StartupError, match=r"^READSTATE_TOKEN_PUBLIC_KEY: must be") as refused:
        key_source(settings(token_public_key=path))
    assert "hunter2" not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize("name", ["missing.pem", "."], ids=["missing", "a folder"])
def test_a_file_that_cannot_be_read_stops_the_start(name: str, tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"^READSTATE_TOKEN_PUBLIC_KEY: cannot read the file") as refused:
        key_source(settings(token_public_key=tmp_path / name))
    assert str(tmp_path) not in str(refused.value)


@pytest.mark.parametrize(
    "secret",
    [pem(RSA_KEY.public_key()).decode(), json.dumps({"kty": "oct", "k": "c2VjcmV0IG9mIDMyIGJ5dGVzIG9yIG1vcmU"})],
    ids=["PEM", "JWK"],
)
def test_a_key_that_is_no_secret_stops_the_start(secret: str) -> None:
    with pytest.raises(StartupError, match=r"^READSTATE_TOKEN_SECRET: must be random text"):
        key_source(settings(token_secret=secret))


async def test_a_secret_verifies_hs256_and_is_not_shown() -> None:
    async with key_source(settings(token_secret=SECRET)) as keys:
        key = await keys.find(None)
        assert key == SigningKey("HS256", SECRET.encode())
        assert SECRET not in repr(key)
