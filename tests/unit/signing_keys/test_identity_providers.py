"""Tokens and key sets of the form that identity providers document: docs/identity.md.

The keys are made here. The names of the members and of the claims, and the types of their values, are the providers'.
"""

import time
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from readstate.identity.signing_keys.jwks_url import JwksKeys
from readstate.identity.tokens import TokenVerifier
from readstate.model import Claims
from tests.unit.signing_keys.endpoint import Endpoint
from tests.unit.signing_keys.keys import RSA_KEY, jwk, jwks

ANOTHER_KEY = rsa.generate_private_key(65537, 2048)
CERTIFICATE = {"x5c": ["MIIC"], "x5t": "dGh1bWI", "x5t#S256": "dGh1bWI"}


@dataclass(frozen=True)
class Provider:
    """`typ` is that of the token's header: Cognito names none."""

    keys: bytes
    issuer: str
    audience: str
    typ: str | None
    claims: dict[str, Any]
    expected: tuple[str, str, frozenset[str]]
    org_claim: str = "org_id"


PROVIDERS = {
    "Keycloak": Provider(
        # One key signs, the other is for encryption.
        keys=jwks(
            jwk(ANOTHER_KEY, "RS256", kid="other", alg="RSA-OAEP", use="enc", **CERTIFICATE),
            jwk(RSA_KEY, "RS256", kid="k", alg="RS256", use="sig", **CERTIFICATE),
        ),
        issuer="https://id.example/realms/acme",
        audience="readstate",
        typ="JWT",
        claims={
            "aud": ["readstate", "account"],
            "sub": "f5a0fbd2-6c6c-4e7b-8a3f-2f3c1a9f1c11",
            "typ": "Bearer",
            "azp": "web",
            "realm_access": {"roles": ["offline_access"]},
            "scope": "openid messaging:read profile",
            "org_id": "acme",
        },
        expected=("f5a0fbd2-6c6c-4e7b-8a3f-2f3c1a9f1c11", "acme", frozenset({"openid", "messaging:read", "profile"})),
    ),
    "Auth0": Provider(
        keys=jwks(
            jwk(RSA_KEY, "RS256", kid="k", alg="RS256", use="sig", **CERTIFICATE),
            jwk(ANOTHER_KEY, "RS256", kid="next", alg="RS256", use="sig", **CERTIFICATE),
        ),
        issuer="https://acme.auth0.com/",
        audience="https://readstate.example/",
        typ="at+jwt",
        claims={
            "aud": ["https://readstate.example/", "https://acme.auth0.com/userinfo"],
            "sub": "auth0|602c0dcab993d10073daf680",
            "client_id": "web",
            "scope": "openid",
            "permissions": ["messaging:read"],
            "org_id": "org_9ybsU1dN2dKfDkBi",
        },
        expected=(
            "auth0|602c0dcab993d10073daf680",
            "org_9ybsU1dN2dKfDkBi",
            frozenset({"openid", "messaging:read"}),
        ),
    ),
    "Cognito": Provider(
        # The keys of ID tokens and of access tokens differ.
        keys=jwks(
            jwk(ANOTHER_KEY, "RS256", kid="id", alg="RS256", use="sig"),
            jwk(RSA_KEY, "RS256", kid="k", alg="RS256", use="sig"),
        ),
        issuer="https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Acme",
        audience="https://readstate.example",
        typ=None,
        claims={
            "aud": "https://readstate.example",
            "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            "cognito:groups": ["staff"],
            "client_id": "web",
            "token_use": "access",
            "scope": "openid messaging:read",
            "custom:org": "acme",
        },
        expected=("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "acme", frozenset({"openid", "messaging:read"})),
        org_claim="custom:org",
    ),
}


async def verified(provider: Provider, endpoint: Endpoint) -> Claims:
    endpoint.body = provider.keys
    now = int(time.time())
    claims = {"iss": provider.issuer, "iat": now, "exp": now + 300, "jti": "1", **provider.claims}
    token = jwt.encode(claims, RSA_KEY, "RS256", {"kid": "k", "typ": provider.typ})
    async with JwksKeys(endpoint.url) as keys:
        verifier = TokenVerifier(
            keys, issuer=provider.issuer, audience=provider.audience, leeway=0, org_claim=provider.org_claim
        )
        return await verifier.verify(f"Bearer {token}")


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS.keys())
async def test_a_token_of_the_form_that_a_provider_documents_is_verified(
    provider: Provider, endpoint: Endpoint
) -> None:
    claims = await verified(provider, endpoint)
    assert (claims.user_id, claims.org_id, claims.scopes) == provider.expected
