"""Token → Claims. `SECRET` and the other keys are made for these tests."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import hypothesis
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from readstate.config import TokenSettings
from readstate.errors import (
    ExpiredToken,
    InvalidToken,
    MissingToken,
    SigningKeysUnavailable,
    StartupError,
    Unauthenticated,
)
from readstate.identity.signing_keys import KeySource, SigningKey, StaticKeys, key_source
from readstate.identity.tokens import LONGEST_TOKEN, TokenVerifier, sign
from readstate.model import Claims

SECRET = "a secret of these tests, 32 bytes or more"
ISSUER = "https://issuer.test"
AUDIENCE = "readstate"
NOW = 1_800_000_000.0
LEEWAY = 10.0
RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
GOOD: Mapping[str, Any] = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": NOW + 3600}


class Clock:
    """Wall clock and timer in one: tests move it."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def verifier(keys: KeySource | None = None, clock: Clock | None = None, *, cache_size: int = 100) -> TokenVerifier:
    clock = clock or Clock()
    return TokenVerifier(
        keys or StaticKeys(SigningKey("HS256", SECRET.encode())),
        issuer=ISSUER,
        audience=AUDIENCE,
        leeway=LEEWAY,
        org_claim="org_id",
        cache_size=cache_size,
        clock=clock,
        timer=clock,
    )


def b64(data: bytes | str) -> str:
    raw = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def raw(header: str | bytes, payload: str | bytes, secret: str | bytes = SECRET) -> str:
    """A token of any header and payload with a good HS256 signature: what only its holder could have made."""
    signed = f"{b64(header)}.{b64(payload)}"
    key = secret.encode() if isinstance(secret, str) else secret
    return f"{signed}.{b64(hmac.digest(key, signed.encode(), hashlib.sha256))}"


HS256 = '{"alg":"HS256","typ":"JWT"}'


def token(header: Any = None, *, without: Any = None, **claims: Any) -> str:
    """A good token, but for what the arguments change."""
    payload = {name: value for name, value in {**GOOD, **claims}.items() if name != without}
    return raw(json.dumps({"alg": "HS256", "typ": "JWT", **(header or {})}), json.dumps(payload))


def payload_with(fragment: str) -> str:
    """A good token whose payload ends with JSON text that json.dumps would not write."""
    return raw(HS256, f"{json.dumps(GOOD)[:-1]},{fragment}}}")


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def tampered(good: str, part: int) -> str:
    parts = good.split(".")
    flipped = "A" if parts[part][5] != "A" else "B"
    parts[part] = parts[part][:5] + flipped + parts[part][6:]
    return ".".join(parts)


MISSING: Mapping[str, str] = {
    "empty": "",
    "one space": " ",
    "scheme alone": "Bearer",
    "scheme and space alone": "Bearer ",
    "no scheme": token(),
    "lower-case scheme alone": "bearer ",
    "another scheme": "Basic YWRhOmxvdmVsYWNl",
    "leading space": f" Bearer {token()}",
    "tab for the space": f"Bearer\t{token()}",
    "colon after the scheme": f"Bearer: {token()}",
    "no-break space": f"Bearer\u00a0{token()}",
    "scheme in full-width letters": f"\uff22earer {token()}",
}

INVALID_AUTHORIZATIONS: Mapping[str, str] = {
    "two spaces": f"Bearer  {token()}",
    "lower case and two spaces": f"bearer  {token()}",
    "two schemes": f"Bearer Bearer {token()}",
    "two tokens and a comma": f"Bearer {token()},{token()}",
    "two authorizations and a comma": f"Bearer {token()}, Bearer {token()}",
    "two tokens and a space": f"Bearer {token()} {token()}",
    "trailing newline": f"Bearer {token()}\n",
    "trailing space": f"Bearer {token()} ",
    "trailing NUL": f"Bearer {token()}\0",
    "newline inside": f"Bearer {token()[:40]}\n{token()[40:]}",
    "quoted": f'Bearer "{token()}"',
}

INVALID_TOKENS: Mapping[str, str] = {
    # The shape.
    "a word": "ada",
    "not ASCII": token() + "é",
    "lone surrogate": "\udcff" + token(),
    "bytes that were not UTF-8": b"\xff\xfe.\xff.\xff".decode(errors="surrogateescape"),
    "a long number in other digits": "\u0661.\u0661.\u0661",
    "9 KiB": token(padding="x" * 6600),
    "1 MiB": "a" * 2**20,
    "one part": "e30",
    "two parts": token().rpartition(".")[0],
    "four parts": token() + ".e30",
    "five parts, a JWE": ".".join(["eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0", "e30", "e30", "e30", "e30"]),
    "dots alone": "..",
    "duplicated dots": token().replace(".", ".."),
    "leading dot": "." + token(),
    "trailing dot": token() + ".",
    "empty payload": "{0}..{2}".format(*token().split(".")),
    "empty signature": token().rpartition(".")[0] + ".",
    "padding": token() + "=",
    "base64 of the other alphabet": raw(HS256, json.dumps({**GOOD, "x": "\u00ff\u00ff\u00ff"}, ensure_ascii=False))
    .replace("_", "/")
    .replace("-", "+"),
    "base64 of impossible length": token() + "AAA"[: (1 - len(token().rpartition(".")[2])) % 4],
    "detached payload": "{0}..{2}".format(*raw('{"alg":"HS256","b64":false,"crit":["b64"]}', "").split(".")),
    # The header.
    "header not JSON": raw("alg: HS256", json.dumps(GOOD)),
    "header not UTF-8": raw(b'{"alg":"HS256","x":"\xff"}', json.dumps(GOOD)),
    "header an array": raw('["HS256"]', json.dumps(GOOD)),
    "header null": raw("null", json.dumps(GOOD)),
    "header nested 1,500 deep": raw("[" * 1500 + "]" * 1500, json.dumps(GOOD)),
    "header nested 40 deep": raw('{"alg":"HS256","x":' + "[" * 40 + "]" * 40 + "}", json.dumps(GOOD)),
    "no alg": raw("{}", json.dumps(GOOD)),
    "alg null": token({"alg": None}),
    "alg a number": token({"alg": 256}),
    "alg an array": token({"alg": ["HS256"]}),
    "alg an object": token({"alg": {"HS256": 1}}),
    "alg none, unsigned": b64('{"alg":"none"}') + "." + b64(json.dumps(GOOD)) + ".",
    "alg none, signed": token({"alg": "none"}),
    "alg None": token({"alg": "None"}),
    "alg unknown": token({"alg": "XS256"}),
    "alg in lower case": token({"alg": "hs256"}),
    "HS384": jwt.encode(dict(GOOD), SECRET * 2, "HS384"),
    "HS512": jwt.encode(dict(GOOD), SECRET * 2, "HS512"),
    "wrong family, RS256": jwt.encode(dict(GOOD), RSA_KEY, "RS256"),
    "wrong family, ES256": jwt.encode(dict(GOOD), EC_KEY, "ES256"),
    "wrong family, EdDSA": jwt.encode(dict(GOOD), ED_KEY, "EdDSA"),
    "kid a number": token({"kid": 1}),
    "kid null": token({"kid": None}),
    "typ of a logout token": token({"typ": "logout+jwt"}),
    "typ of a JWE": token({"typ": "JWE"}),
    "typ empty": token({"typ": ""}),
    "typ null": token({"typ": None}),
    "typ an array": token({"typ": ["JWT"]}),
    "crit unknown": token({"crit": ["exp"], "exp": 1}),
    "crit b64": token({"crit": ["b64"], "b64": True}),
    "crit empty": token({"crit": []}),
    "crit null": token({"crit": None}),
    "crit text": token({"crit": "b64"}),
    "b64 false": token({"b64": False}),
    # The signature.
    "wrong key": raw(HS256, json.dumps(GOOD), "another secret, also of 32 bytes or more"),
    "empty key": raw(HS256, json.dumps(GOOD), ""),
    "header tampered with": tampered(token(), 0),
    "payload tampered with": tampered(token(), 1),
    "signature tampered with": tampered(token(), 2),
    "signature cut": token()[:-4],
    "signature of another token": token().rpartition(".")[0] + "." + token(sub="bob").rpartition(".")[2],
    # The payload.
    "payload not JSON": raw(HS256, "sub=ada"),
    "payload not UTF-8": raw(HS256, b'{"sub":"\xff"}'),
    "payload an array": raw(HS256, json.dumps([GOOD])),
    "payload text": raw(HS256, '"ada"'),
    "payload null": raw(HS256, "null"),
    "payload nested 3,000 deep": raw(HS256, "[" * 3000 + "]" * 3000),
    "a number of 5,000 digits": payload_with('"n":' + "9" * 5000),
    # Who it is from and for.
    "no issuer": token(without="iss"),
    "wrong issuer": token(iss="https://issuer.test.evil"),
    "issuer with a slash more": token(iss=ISSUER + "/"),
    "issuer an array": token(iss=[ISSUER]),
    "issuer null": token(iss=None),
    "no audience": token(without="aud"),
    "wrong audience": token(aud="another"),
    "audience within another": token(aud="readstate-admin"),
    "wrong audiences": token(aud=["another", "read", "state"]),
    "audience with a number": token(aud=[AUDIENCE, 1]),
    "audience an object": token(aud={AUDIENCE: True}),
    "audience empty": token(aud=[]),
    "audience true": token(aud=True),
    # Time.
    "no exp": token(without="exp"),
    "exp null": token(exp=None),
    "exp text": token(exp=str(int(NOW) + 3600)),
    "exp text of the past": token(exp="1"),
    "exp true": token(exp=True),
    "exp an array": token(exp=[NOW + 3600]),
    "exp 1e400": payload_with('"exp":1e400'),
    "exp -1e400": payload_with('"exp":-1e400'),
    "exp of 400 digits": payload_with('"exp":' + "9" * 400),
    "exp NaN": payload_with('"exp":NaN'),
    "exp Infinity": payload_with('"exp":Infinity'),
    "nbf in the future": token(nbf=NOW + LEEWAY + 1),
    "nbf text": token(nbf="0"),
    "nbf null": token(nbf=None),
    "nbf true": token(nbf=True),
    "nbf 1e400": payload_with('"nbf":1e400'),
    "nbf -1e400": payload_with('"nbf":-1e400'),
    "nbf an object": token(nbf={}),
    "iat in the future": token(iat=NOW + LEEWAY + 1),
    "iat text": token(iat="yesterday"),
    "iat -1e400": payload_with('"iat":-1e400'),
    "iat NaN": payload_with('"iat":NaN'),
    # Who is calling.
    "no sub": token(without="sub"),
    "sub null": token(sub=None),
    "sub empty": token(sub=""),
    "sub a number": token(sub=7),
    "sub an array": token(sub=["ada"]),
    "sub an object": token(sub={"id": "ada"}),
    "sub of 256 characters": token(sub="a" * 256),
    "sub with NUL": token(sub="ada\0"),
    "sub with a newline at its end": token(sub="ada\n"),
    "sub with DEL": token(sub="ada\x7f"),
    "sub with a C1 control": token(sub="ada\x85"),
    "sub with a lone surrogate": payload_with(r'"sub":"ada\ud800"'),
    "sub twice, the last one empty": payload_with('"sub":""'),
    "org empty": token(org_id=""),
    "org a number": token(org_id=7),
    "org false": token(org_id=False),
    "org an array": token(org_id=["acme"]),
    "org of 256 characters": token(org_id="o" * 256),
    "org with a control character": token(org_id="ac\x1bme"),
    "org with a lone surrogate": payload_with(r'"org_id":"\udfff"'),
    # What they may do.
    "scope an array": token(scope=["directory:write"]),
    "scope null": token(scope=None),
    "scope a number": token(scope=1),
    "permissions text": token(permissions="directory:write"),
    "permissions null": token(permissions=None),
    "permissions an object": token(permissions={"directory:write": True}),
    "permissions with a number": token(permissions=["directory:write", 1]),
    "jti a number": token(jti=1),
}


@pytest.mark.parametrize("authorization", MISSING.values(), ids=MISSING.keys())
async def test_what_is_not_a_bearer_authorization_is_a_missing_token(authorization: str) -> None:
    with pytest.raises(MissingToken):
        await verifier().verify(authorization)


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "bEaReR"])
async def test_the_scheme_is_matched_without_regard_to_case(scheme: str) -> None:
    assert (await verifier().verify(f"{scheme} {token()}")).user_id == "ada"


@pytest.mark.parametrize("authorization", INVALID_AUTHORIZATIONS.values(), ids=INVALID_AUTHORIZATIONS.keys())
async def test_a_bearer_authorization_of_another_form_is_invalid(authorization: str) -> None:
    with pytest.raises(InvalidToken):
        await verifier().verify(authorization)


@pytest.mark.parametrize("malformed", INVALID_TOKENS.values(), ids=INVALID_TOKENS.keys())
async def test_a_malformed_token_is_invalid(malformed: str) -> None:
    with pytest.raises(InvalidToken):
        await verifier().verify(f"Bearer {malformed}")


@pytest.mark.parametrize("malformed", INVALID_TOKENS.values(), ids=INVALID_TOKENS.keys())
async def test_a_refusal_is_never_remembered_and_shows_nothing_of_the_token(malformed: str) -> None:
    subject = verifier()
    with pytest.raises(InvalidToken) as refused:
        await subject.verify(f"Bearer {malformed}")
    assert subject.cached(f"Bearer {malformed}") is None
    shown = "".join(traceback.format_exception(refused.value))
    assert str(refused.value) == InvalidToken.message
    assert not any(part in shown for part in malformed.split(".") if len(part) > 8)
    assert "ada" not in shown
    assert "acme" not in shown


@pytest.mark.parametrize("secret", [public_pem(RSA_KEY), public_pem(RSA_KEY).strip()], ids=["pem", "stripped"])
async def test_a_public_key_used_as_a_secret_signs_nothing(secret: bytes) -> None:
    subject = verifier(StaticKeys(SigningKey("RS256", RSA_KEY.public_key())))
    with pytest.raises(InvalidToken):
        await subject.verify("Bearer " + raw(HS256, json.dumps(GOOD), secret))
    with pytest.raises(InvalidToken):
        await subject.verify("Bearer " + raw('{"alg":"RS256"}', json.dumps(GOOD), secret))


@pytest.mark.parametrize("alg", ["RS384", "PS256"])
async def test_another_algorithm_of_the_same_key_is_invalid(alg: str) -> None:
    subject = verifier(StaticKeys(SigningKey("RS256", RSA_KEY.public_key())))
    with pytest.raises(InvalidToken):
        await subject.verify("Bearer " + jwt.encode(dict(GOOD), RSA_KEY, alg))


@pytest.mark.parametrize(
    ("alg", "private"), [("RS256", RSA_KEY), ("ES256", EC_KEY), ("EdDSA", ED_KEY)], ids=["RS256", "ES256", "EdDSA"]
)
async def test_each_kind_of_key_verifies_its_own_tokens_and_no_signature_of_another_length(
    alg: Any, private: Any
) -> None:
    subject = verifier(StaticKeys(SigningKey(alg, private.public_key())))
    signed = jwt.encode(dict(GOOD), private, alg)
    assert (await subject.verify(f"Bearer {signed}")).user_id == "ada"
    for signature in ("AA", b64(bytes(64)), b64(bytes(256)), b64(bytes(1000))):
        with pytest.raises(InvalidToken):
            await subject.verify(f"Bearer {signed.rpartition('.')[0]}.{signature}")


@hypothesis.settings(deadline=None)
@given(st.text(max_size=60))
def test_no_text_brings_forth_any_other_exception(text: str) -> None:
    subject = verifier()
    for authorization in (text, f"Bearer {text}"):
        assert subject.cached(authorization) is None
        with pytest.raises(Unauthenticated):
            asyncio.run(subject.verify(authorization))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
NAMES = ("iss", "aud", "sub", "exp", "nbf", "iat", "jti", "org_id", "scope", "permissions")


@hypothesis.settings(deadline=None)
@given(header=st.dictionaries(st.sampled_from(("alg", "typ", "kid", "crit", "b64", "cty")), JSON), data=st.data())
def test_a_signed_token_of_any_content_is_claims_or_unauthenticated(
    header: dict[str, Any], data: st.DataObject
) -> None:
    claims: dict[str, Any] = data.draw(st.dictionaries(st.sampled_from(NAMES), JSON))
    for signed in (token(header, **claims), token(None, **claims)):
        try:
            claimed = asyncio.run(verifier().verify(f"Bearer {signed}"))
        except Unauthenticated:
            continue
        assert 1 <= len(claimed.user_id.encode()) <= 4 * 255


async def test_a_good_token_becomes_claims() -> None:
    signed = token(org_id="acme", scope="messaging:read messaging:update", permissions=["directory:write"])
    assert await verifier().verify(f"Bearer {signed}") == Claims(
        user_id="ada",
        org_id="acme",
        scopes=frozenset({"messaging:read", "messaging:update", "directory:write"}),
        expires_at=NOW + 3600,
    )


async def test_without_organisation_and_scopes_there_are_none() -> None:
    for signed in (token(), token(org_id=None, scope="", permissions=[]), token(scope="  ")):
        claims = await verifier().verify(f"Bearer {signed}")
        assert (claims.org_id, claims.scopes) == (None, frozenset())


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"])
async def test_the_types_of_an_access_token_are_accepted(typ: str) -> None:
    assert (await verifier().verify("Bearer " + token({"typ": typ}))).user_id == "ada"


async def test_a_token_without_typ_is_accepted() -> None:
    assert (await verifier().verify("Bearer " + raw('{"alg":"HS256"}', json.dumps(GOOD)))).user_id == "ada"


@pytest.mark.parametrize("sub", ["a", "a" * 255, "Ada Lovelace", "ada@example.org", "\u0430\u0434\u0430", "\U0001f98a"])
async def test_a_user_is_text_of_1_to_255_characters(sub: str) -> None:
    assert (await verifier().verify("Bearer " + token(sub=sub))).user_id == sub


async def test_one_of_several_audiences_is_enough() -> None:
    assert (await verifier().verify("Bearer " + token(aud=["another", AUDIENCE]))).user_id == "ada"


async def test_a_token_of_just_8_kib_is_accepted() -> None:
    longest = max((token(x="x" * n) for n in range(5950, 6100)), key=lambda t: len(t) * (len(t) <= LONGEST_TOKEN))
    assert LONGEST_TOKEN - 4 < len(longest) <= LONGEST_TOKEN
    assert (await verifier().verify(f"Bearer {longest}")).user_id == "ada"


@pytest.mark.parametrize(
    ("claims", "accepted"),
    [
        ({"exp": NOW - LEEWAY + 1}, True),
        ({"exp": NOW - LEEWAY}, False),
        ({"exp": NOW - LEEWAY + 0.5}, True),
        ({"exp": 0}, False),
        ({"exp": -1}, False),
        ({"nbf": NOW + LEEWAY}, True),
        ({"nbf": NOW + LEEWAY + 0.5}, False),
        ({"iat": NOW + LEEWAY}, True),
        ({"nbf": 0, "iat": 0}, True),
    ],
    ids=str,
)
async def test_times_are_given_the_leeway_and_no_more(claims: dict[str, Any], accepted: bool) -> None:
    if accepted:
        await verifier().verify("Bearer " + token(**claims))
        return
    with pytest.raises(ExpiredToken if "exp" in claims else InvalidToken):
        await verifier().verify("Bearer " + token(**claims))


@pytest.mark.parametrize(
    "forged",
    [
        raw(HS256, json.dumps({**GOOD, "exp": 1}), "another secret, also of 32 bytes or more"),
        token(exp=1, aud="another"),
        token(exp=1, iss="another"),
        token(exp=1, sub=""),
        token({"typ": "logout+jwt"}, exp=1),
    ],
    ids=["wrong key", "wrong audience", "wrong issuer", "empty sub", "wrong type"],
)
async def test_an_expired_token_that_was_never_good_is_just_invalid(forged: str) -> None:
    with pytest.raises(InvalidToken):
        await verifier().verify(f"Bearer {forged}")


async def test_the_cause_of_a_refusal_names_the_rule() -> None:
    for signed, cause in (
        (token(aud="another"), "InvalidAudienceError"),
        (token(nbf=NOW + 99), "nbf is in the future"),
    ):
        with pytest.raises(InvalidToken) as refused:
            await verifier().verify(f"Bearer {signed}")
        assert cause in repr(refused.value.__cause__)


# The cache.


async def test_a_verified_token_is_found_without_verifying_it_again() -> None:
    subject, authorization = verifier(), f"Bearer {token()}"
    assert subject.cached(authorization) is None
    claims = await subject.verify(authorization)
    assert subject.cached(authorization) is claims
    assert await subject.verify(authorization) is claims
    assert (subject.cache_hits, subject.cache_misses) == (2, 1)


async def test_a_remembered_token_is_found_only_as_it_was_sent() -> None:
    subject = verifier()
    await subject.verify(f"Bearer {token()}")
    for other in (token(), f"bearer {token()}", f"Bearer  {token()}", f"Bearer {token()}\n", f"Bearer {token()}="):
        assert subject.cached(other) is None


async def test_a_token_is_remembered_for_60_seconds() -> None:
    clock, authorization = Clock(), f"Bearer {token()}"
    subject = verifier(clock=clock)
    await subject.verify(authorization)
    clock.now += 59.9
    assert subject.cached(authorization) is not None
    clock.now += 0.1
    assert subject.cached(authorization) is None


async def test_a_token_is_not_remembered_past_its_expiry_and_within_the_leeway_verified_each_time() -> None:
    clock, authorization = Clock(), f"Bearer {token(exp=NOW + 5)}"
    subject = verifier(clock=clock)
    await subject.verify(authorization)
    clock.now += 5
    assert subject.cached(authorization) is None
    assert (await subject.verify(authorization)).user_id == "ada"
    assert subject.cached(authorization) is None
    clock.now += LEEWAY
    with pytest.raises(ExpiredToken):
        await subject.verify(authorization)


async def test_a_wall_clock_set_forward_ends_a_remembered_token_at_once() -> None:
    wall, authorization = Clock(), f"Bearer {token()}"
    subject = TokenVerifier(
        StaticKeys(SigningKey("HS256", SECRET.encode())),
        issuer=ISSUER,
        audience=AUDIENCE,
        leeway=LEEWAY,
        org_claim="org_id",
        clock=wall,
    )
    await subject.verify(authorization)
    assert subject.cached(authorization) is not None
    wall.now += 4000
    assert subject.cached(authorization) is None


async def test_the_least_recently_used_token_leaves_a_full_cache() -> None:
    subject = verifier(cache_size=2)
    ada, bob, carol = (f"Bearer {token(sub=user)}" for user in ("ada", "bob", "carol"))
    await subject.verify(ada)
    await subject.verify(bob)
    assert subject.cached(ada) is not None
    await subject.verify(carol)
    assert [subject.cached(each) is not None for each in (ada, bob, carol)] == [True, False, True]


class ChangingKeys(StaticKeys):
    """Keys that change when told to, also while a verification waits for them."""

    def __init__(self, on_find: Callable[["ChangingKeys"], None] = lambda _: None) -> None:
        super().__init__(SigningKey("HS256", SECRET.encode()))
        self.on_find = on_find

    async def find(self, kid: str | None) -> tuple[SigningKey, ...]:
        keys = await super().find(kid)
        self.on_find(self)
        return keys

    def change(self) -> None:
        self.generation += 1


async def test_when_the_keys_change_nothing_is_remembered() -> None:
    keys, authorization = ChangingKeys(), f"Bearer {token()}"
    subject = verifier(keys)
    await subject.verify(authorization)
    keys.change()
    assert subject.cached(authorization) is None


async def test_what_was_verified_while_the_keys_changed_is_not_remembered() -> None:
    keys, authorization = ChangingKeys(ChangingKeys.change), f"Bearer {token()}"
    subject = verifier(keys)
    await subject.verify(authorization)
    assert subject.cached(authorization) is None


async def test_keys_that_cannot_be_looked_up_are_no_fault_of_the_token() -> None:
    class Away(StaticKeys):
        async def find(self, kid: str | None) -> tuple[SigningKey, ...]:
            raise SigningKeysUnavailable

    with pytest.raises(SigningKeysUnavailable):
        await verifier(Away(SigningKey("HS256", SECRET.encode()))).verify(f"Bearer {token()}")


# Signing.


def settings(**values: Any) -> TokenSettings:
    return TokenSettings(token_issuer=ISSUER, token_audience=AUDIENCE, **{"token_secret": SECRET, **values})


def from_settings(these: TokenSettings) -> TokenVerifier:
    return TokenVerifier(
        key_source(these),
        issuer=these.token_issuer,
        audience=these.token_audience,
        leeway=these.token_leeway,
        org_claim=these.token_org_claim,
    )


async def test_a_signed_token_is_one_that_the_same_settings_verify() -> None:
    here = settings(token_org_claim="https://issuer.test/org")
    signed = sign(here, user="ada", scope="directory:write system_events:write", org="acme", expires_in=60)
    claims = await from_settings(here).verify(f"Bearer {signed}")
    assert (claims.user_id, claims.org_id) == ("ada", "acme")
    assert claims.scopes == {"directory:write", "system_events:write"}
    assert 0 < claims.expires_at - time.time() <= 60


async def test_a_negative_time_signs_an_expired_token() -> None:
    with pytest.raises(ExpiredToken):
        await from_settings(settings()).verify("Bearer " + sign(settings(), user="ada", expires_in=-60))


@pytest.mark.parametrize("user", ["", "a" * 256, "ada\n", "ada\udcff"], ids=["empty", "long", "control", "surrogate"])
def test_no_token_is_signed_for_a_name_that_would_not_be_accepted(user: str) -> None:
    with pytest.raises(StartupError):
        sign(settings(), user=user)
    with pytest.raises(StartupError):
        sign(settings(), user="ada", org=user)


def test_without_a_secret_nothing_is_signed() -> None:
    with pytest.raises(StartupError, match="READSTATE_TOKEN_SECRET is not set"):
        sign(settings(token_secret=None, token_jwks_url="https://issuer.test/jwks"), user="ada")
