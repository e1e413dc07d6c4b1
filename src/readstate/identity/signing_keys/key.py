"""A key that is a secret or a PEM file.

A key is bound to one algorithm when it is read. So a token can never choose how it is verified (RFC 8725, sections 2.1
and 3.1).
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from readstate.config import TokenSettings, read_file
from readstate.errors import StartupError

Algorithm = Literal["HS256", "RS256", "ES256", "EdDSA"]


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key, and the one algorithm it is used with. `repr` does not show the key, because it may be a secret."""

    algorithm: Algorithm
    key: RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey | bytes = field(repr=False)
    kid: str | None = None


def bind(key: object, kid: str | None) -> SigningKey | None:
    """The key with its algorithm, or None for a kind that is not accepted."""
    match key:
        # NIST SP 800-131A and RFC 7518, section 3.3: 2048 bits or larger.
        case RSAPublicKey() if key.key_size >= 2048:
            return SigningKey("RS256", key, kid)
        case EllipticCurvePublicKey(curve=SECP256R1()):
            return SigningKey("ES256", key, kid)
        case Ed25519PublicKey():
            return SigningKey("EdDSA", key, kid)
    return None


def read_public_key(path: Path) -> SigningKey:
    """The key in a PEM file (RFC 7468, section 13).

    Raises:
        StartupError: the file cannot be read or holds no such key.
    """
    content = read_file(path, "READSTATE_TOKEN_PUBLIC_KEY")
    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if (signing_key := bind(key, kid=None)) is None:
        raise StartupError(
            "READSTATE_TOKEN_PUBLIC_KEY: must be a PEM public key: RSA of 2048 bits or more, P-256 or Ed25519"
        )
    return signing_key


def hs256_secret(settings: TokenSettings) -> bytes:
    """The secret of READSTATE_TOKEN_SECRET.

    Raises:
        StartupError: it is not set, or PyJWT refuses it as a secret. It refuses asymmetric keys, which may be public,
        and
            JWKs, which are not the key itself.
    """
    if settings.token_secret is None:
        raise StartupError("READSTATE_TOKEN_SECRET is not set")
    secret = settings.token_secret.get_secret_value().encode()
    try:
        jwt.get_algorithm_by_name("HS256").prepare_key(secret)
    except jwt.InvalidKeyError:
        raise StartupError("READSTATE_TOKEN_SECRET: must be random text, not a PEM key or a JWK") from None
    return secret
