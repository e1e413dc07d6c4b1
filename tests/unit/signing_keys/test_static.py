"""A secret or a PEM file."""

import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from readstate.config import TokenSettings
from readstate.errors import InvalidToken, StartupError
from readstate.identity.signing_keys import SigningKey, StaticKeys, key_source
from readstate.identity.tokens import TokenVerifier
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
        (key,) = await keys.find("whatever")
        assert key.algorithm == algorithm
        assert isinstance(keys, StaticKeys)
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
        found = await keys.find(None)
        assert found == (SigningKey("HS256", SECRET.encode()),)
        assert SECRET not in repr(found)


OTHER_SECRET = "another secret, also of 32 bytes or more"


async def test_two_secrets_verify_and_a_third_does_not() -> None:
    async with key_source(settings(token_secret=SECRET, token_second_secret=OTHER_SECRET)) as keys:
        for secret in SECRET, OTHER_SECRET:
            assert (await verifier(keys).verify(bearer(secret, "HS256"))).user_id == "ada"
        with pytest.raises(InvalidToken) as refused:
            await verifier(keys).verify(bearer("a third secret, again of 32 bytes or more", "HS256"))
    assert isinstance(refused.value.__cause__, jwt.InvalidSignatureError)


async def test_two_pem_files_verify_also_with_different_algorithms(tmp_path: Path) -> None:
    first, second = tmp_path / "first.pem", tmp_path / "second.pem"
    first.write_bytes(pem(RSA_KEY.public_key()))
    second.write_bytes(pem(EC_KEY.public_key()))
    async with key_source(settings(token_public_key=first, token_second_public_key=second)) as keys:
        assert (await verifier(keys).verify(bearer(RSA_KEY, "RS256"))).user_id == "ada"
        assert (await verifier(keys).verify(bearer(EC_KEY, "ES256"))).user_id == "ada"
        with pytest.raises(InvalidToken):
            await verifier(keys).verify(bearer(OLD, "EdDSA"))


async def test_a_token_that_the_first_key_has_signed_is_refused_for_what_is_wrong_with_it() -> None:
    async with key_source(settings(token_secret=SECRET, token_second_secret=OTHER_SECRET)) as keys:
        elsewhere = TokenVerifier(keys, issuer=ISSUER, audience="elsewhere", leeway=0, org_claim="org_id")
        with pytest.raises(InvalidToken) as refused:
            await elsewhere.verify(bearer(SECRET, "HS256"))
    assert isinstance(refused.value.__cause__, jwt.InvalidAudienceError)


@pytest.mark.parametrize("content", UNFIT_PEM.values(), ids=UNFIT_PEM.keys())
def test_a_second_file_that_is_no_key_stops_the_start(content: bytes, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.pem", tmp_path / "bad.pem"
    good.write_bytes(pem(OLD.public_key()))
    bad.write_bytes(content)
    with pytest.raises(StartupError, match=r"^READSTATE_TOKEN_SECOND_PUBLIC_KEY: must be"):
        key_source(settings(token_public_key=good, token_second_public_key=bad))


def test_a_second_secret_that_is_none_stops_the_start() -> None:
    with pytest.raises(StartupError, match=r"^READSTATE_TOKEN_SECOND_SECRET: must be random text"):
        key_source(settings(token_secret=SECRET, token_second_secret=pem(RSA_KEY.public_key()).decode()))
