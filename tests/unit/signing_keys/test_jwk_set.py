"""Reading a JWK Set."""

from typing import Any

import pytest

from readstate.identity.signing_keys.jwk_set import UnfitAnswer, parse_jwks
from tests.unit.signing_keys.keys import EC_KEY, GARBAGE, NEW, OLD, PASSED_OVER, RSA_KEY, jwk, jwks


def test_the_three_kinds_of_key_are_read_with_their_names() -> None:
    document = jwks(
        jwk(RSA_KEY, "RS256", kid="r", alg="RS256", use="sig"), jwk(EC_KEY, "ES256", kid="e"), jwk(OLD, "EdDSA")
    )
    assert [(key.algorithm, key.kid) for key in parse_jwks(document)] == [
        ("RS256", "r"),
        ("ES256", "e"),
        ("EdDSA", None),
    ]


@pytest.mark.parametrize("unusable", PASSED_OVER.values(), ids=PASSED_OVER.keys())
def test_a_key_that_cannot_be_used_is_passed_over(unusable: Any) -> None:
    assert [key.kid for key in parse_jwks(jwks(unusable, jwk(NEW, "EdDSA", kid="good")))] == ["good"]
    with pytest.raises(UnfitAnswer, match="no usable key"):
        parse_jwks(jwks(unusable))


@pytest.mark.parametrize("document", GARBAGE.values(), ids=GARBAGE.keys())
def test_what_is_no_key_set_is_refused(document: bytes) -> None:
    with pytest.raises(UnfitAnswer, match=r"JWK Set$"):
        parse_jwks(document)
