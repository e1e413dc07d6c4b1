"""Keys that are secrets or PEM files.

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


def public_keys(settings: TokenSettings) -> tuple[SigningKey, ...]:
    """The keys in the PEM files (RFC 7468, section 13) that are configured: none, one or two.

    Raises:
        StartupError: a file cannot be read or holds no such key.
    """
    files = {
        "READSTATE_TOKEN_PUBLIC_KEY": settings.token_public_key,
        "READSTATE_TOKEN_SECOND_PUBLIC_KEY": settings.token_second_public_key,
    }
    return tuple(_public_key(path, setting) for setting, path in files.items() if path is not None)


def _public_key(path: Path, setting: str) -> SigningKey:
    content = read_file(path, setting)
    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if (signing_key := bind(key, kid=None)) is None:
        raise StartupError(f"{setting}: must be a PEM public key: RSA of 2048 bits or more, P-256 or Ed25519")
    return signing_key


def hs256_secrets(settings: TokenSettings) -> tuple[bytes, ...]:
    """The secrets that are configured: none, one or two.

    Raises:
        StartupError: PyJWT refuses one as a secret. It refuses asymmetric keys, which may be public, and JWKs, which
            are not the key itself.
    """
    secrets = {
        "READSTATE_TOKEN_SECRET": settings.token_secret,
        "READSTATE_TOKEN_SECOND_SECRET": settings.token_second_secret,
    }
    return tuple(
        _usable(secret.get_secret_value().encode(), setting)
        for setting, secret in secrets.items()
        if secret is not None
    )


def _usable(secret: bytes, setting: str) -> bytes:
    try:
        jwt.get_algorithm_by_name("HS256").prepare_key(secret)
    except jwt.InvalidKeyError:
        raise StartupError(f"{setting}: must be random text, not a PEM key or a JWK") from None
    return secret
