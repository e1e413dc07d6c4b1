"""Keys, sets of them and tokens."""

import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from readstate.identity.signing_keys import KeySource
from readstate.identity.tokens import TokenVerifier

RSA_KEY = rsa.generate_private_key(65537, 2048)
WEAK_RSA_KEY = rsa.generate_private_key(65537, 1024)  # noqa: S505  a key to be refused
EC_KEY = ec.generate_private_key(ec.SECP256R1())
OLD, NEW = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
ISSUER, AUDIENCE = "https://issuer.test", "readstate"


def jwk(private: Any, algorithm: str, **members: Any) -> dict[str, Any]:
    return {**jwt.get_algorithm_by_name(algorithm).to_jwk(private.public_key(), as_dict=True), **members}


def jwks(*keys: Any) -> bytes:
    return json.dumps({"keys": keys}).encode()


def pem(public: Any) -> bytes:
    encoded: bytes = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return encoded


OLD_SET, NEW_SET = jwks(jwk(OLD, "EdDSA", kid="old")), jwks(jwk(NEW, "EdDSA", kid="new"))


PASSED_OVER = {
    "symmetric": {"kty": "oct", "k": "c2VjcmV0IG9mIDMyIGJ5dGVzIG9yIG1vcmUgZm9yIGFsbA", "alg": "HS256", "kid": "x"},
    "for encryption": jwk(RSA_KEY, "RS256", use="enc"),
    "for wrapping keys": jwk(RSA_KEY, "RS256", key_ops=["wrapKey"]),
    "key_ops a number": jwk(RSA_KEY, "RS256", key_ops=1),
    "RSA for another family": jwk(RSA_KEY, "RS256", alg="PS256"),
    "RSA for HS256": jwk(RSA_KEY, "RS256", alg="HS256"),
    "RSA for none": jwk(RSA_KEY, "RS256", alg="none"),
    "alg an array": jwk(RSA_KEY, "RS256", alg=["RS256"]),
    "RSA of 1024 bits": jwk(WEAK_RSA_KEY, "RS256"),
    "RSA without a modulus": {"kty": "RSA", "e": "AQAB"},
    "RSA with a number for a modulus": {"kty": "RSA", "e": "AQAB", "n": 3},
    "RSA of nonsense": {"kty": "RSA", "e": "AQAB", "n": "!!"},
    "private": json.loads(jwt.get_algorithm_by_name("EdDSA").to_jwk(OLD)),
    "P-384": jwk(ec.generate_private_key(ec.SECP384R1()), "ES384"),
    "P-256, a point off the curve": {**jwk(EC_KEY, "ES256"), "y": "A" * 43},
    "Ed25519 of 3 bytes": {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
    "kid a number": jwk(OLD, "EdDSA", kid=1),
    "unknown kind": {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
    "kind an array": {"kty": ["RSA"]},
    "no kind": {},
    "text": "key",
    "null": None,
}

GARBAGE = {
    "empty": b"",
    "HTML": b"<html>sign in</html>",
    "not UTF-8": b'{"keys":"\xff"}',
    "an array": b"[]",
    "text": b'"keys"',
    "no keys": b"{}",
    "keys an object": b'{"keys":{}}',
    "keys null": b'{"keys":null}',
    "keys empty": b'{"keys":[]}',
    "nested deep": b"[" * 100_000,
}


def verifier(keys: KeySource) -> TokenVerifier:
    return TokenVerifier(keys, issuer=ISSUER, audience=AUDIENCE, leeway=0, org_claim="org_id")


def bearer(private: Any, algorithm: str, kid: str | None = None, user: str = "ada") -> str:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": user, "exp": int(time.time()) + 3600}
    return "Bearer " + jwt.encode(claims, private, algorithm, None if kid is None else {"kid": kid})
