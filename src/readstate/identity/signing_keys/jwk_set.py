"""Reading a JWK Set (RFC 7517)."""

import json

import jwt
from cryptography.exceptions import UnsupportedAlgorithm

from readstate.identity.signing_keys.key import SigningKey, bind


class UnfitAnswer(ValueError):
    """Why an endpoint's answer cannot be used. It is logged, so it holds only our own words."""


def parse_jwks(document: bytes) -> tuple[SigningKey, ...]:
    """The usable keys of a JWK Set (RFC 7517, section 5), at least one.

    The RFC asks to skip keys of another kind, use or algorithm. Symmetric keys are skipped as well, because a published
    key is not secret, and so are private keys.

    Raises:
        UnfitAnswer: the document is not a JWK Set or has no usable key.
    """
    try:
        entries = json.loads(document)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UnfitAnswer("not a JWK Set") from None
    if not isinstance(entries, list):
        raise UnfitAnswer("not a JWK Set")
    keys = tuple(key for entry in entries if (key := _from_jwk(entry)) is not None)
    if not keys:
        raise UnfitAnswer("no usable key in the JWK Set")
    return keys


def _from_jwk(entry: object) -> SigningKey | None:
    if not isinstance(entry, dict) or "d" in entry or not _is_for_signatures(entry):
        return None
    if entry.get("kty") not in ("RSA", "EC", "OKP"):
        return None
    kid = entry.get("kid")
    if kid is not None and not isinstance(kid, str):
        return None
    try:
        # Only the members that are the key itself: PyJWT would bind it to any `alg` that it finds.
        key = jwt.PyJWK({name: entry[name] for name in ("kty", "crv", "n", "e", "x", "y") if name in entry}).key
    except (jwt.PyJWTError, UnsupportedAlgorithm):
        return None
    signing_key = bind(key, kid)
    if signing_key is None or entry.get("alg", signing_key.algorithm) != signing_key.algorithm:
        return None
    return signing_key


def _is_for_signatures(entry: dict[str, object]) -> bool:
    # RFC 7517, sections 4.2 and 4.3.
    operations = entry.get("key_ops", ["verify"])
    return entry.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations
