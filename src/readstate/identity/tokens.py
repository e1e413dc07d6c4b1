"""Token → Claims: who a bearer token says is calling, verified.

The rules are those of RFC 7519 (JWT), RFC 8725 (best practices) and RFC 9068 (access tokens). Where they leave a
choice, this takes the stricter one.
"""

import hashlib
import math
import re
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from typing import Any, Final

import jwt
from cachetools import TLRUCache

from readstate.config import TokenSettings
from readstate.errors import ExpiredToken, InvalidToken, MissingToken, StartupError
from readstate.identity.signing_keys import KeySource, SigningKey, hs256_secrets
from readstate.model import Claims

LONGEST_TOKEN: Final = 8 * 1024
"""Bytes. A longer token is refused before any of it is decoded."""
LONGEST_CACHED: Final = 60.0
"""Seconds. No verified token is remembered for longer."""

_SCHEME: Final = "bearer "
_LONGEST_AUTHORIZATION: Final = len(_SCHEME) + LONGEST_TOKEN
# JWS compact serialisation, RFC 7515, section 7.1: three parts in base64url without padding. The pattern also keeps
# other text away from PyJWT, which cannot encode it.
_COMPACT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_MOST_BRACKETS: Final = 32
"""Brackets and braces that a header may open. Those of issuers open one to three."""
# RFC 9068, section 4, and RFC 7519, section 5.1. A token of another type, such as `logout+jwt`, was made for another
# purpose (RFC 8725, section 3.11).
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
# No control characters (Unicode category Cc), and no lone surrogate: UTF-8 cannot carry one to the database.
_TEXT: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,255}")

# PyJWT requires no claim unless it is named here. It accepts text and booleans as times, so times are checked below.
# And without the last option it would only warn about a short key.
_OPTIONS: Final[jwt.types.Options] = {
    "require": ["iss", "aud", "sub", "exp"],
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "enforce_minimum_key_length": True,
}
# Refusals with a fixed text of PyJWT. The text of other refusals may repeat part of the token, so they are not chained.
_SPEAKABLE: Final = (jwt.InvalidAudienceError, jwt.InvalidIssuerError, jwt.MissingRequiredClaimError)
_ANOTHER_KEY: Final = (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError)
"""Another key may have signed the token. Their texts are fixed too."""


class _Refused(Exception):
    """Why a token is refused: the cause of InvalidToken. Its text is fixed and holds no part of the token."""


class TokenVerifier:
    """Verifies bearer tokens and remembers those that it has verified.

    The cache has SHA-256 sums as keys and Claims as values. It holds no token and no refusal. An entry lives for at
    most 60 seconds, and never longer than `exp`. The leeway is for clocks that differ, so a token within it is verified
    each time. An entry belongs to the keys that verified it. When the keys change it is not found again, even if its
    verification began before the change and ends after it.
    """

    def __init__(
        self,
        keys: KeySource,
        *,
        issuer: str,
        audience: str,
        leeway: float,
        org_claim: str,
        cache_size: int = 10_000,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """`leeway` is in seconds. Claims are compared with `clock`; `timer` measures the age of cache entries."""
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._leeway = leeway
        self._org_claim = org_claim
        self._clock = clock
        self._cache: TLRUCache[tuple[int, bytes], Claims, float] = TLRUCache(cache_size, self._forget_at, timer)
        self.cache_hits = 0
        self.cache_misses = 0

    def cached(self, authorization: str) -> Claims | None:
        """The claims that `verify` would return, if they are remembered. Never raises, never waits."""
        if len(authorization) > _LONGEST_AUTHORIZATION or not authorization.isascii():
            return None
        try:
            claims = self._cache[self._cache_key(authorization)]  # `get` looks twice and costs three times as much
        except KeyError:
            return None
        # Somebody may have set the wall clock forward. The timer does not see that.
        if claims.expires_at <= self._clock():
            return None
        self.cache_hits += 1
        return claims

    async def verify(self, authorization: str) -> Claims:
        """The claims of `authorization`, which is `Bearer` in upper or lower case, one space and a JWT.

        RFC 9110, section 11.1, matches a scheme without regard to case. It allows more spaces; here it is exactly one.

        Raises:
            MissingToken: another scheme, or no token after it.
            ExpiredToken: the token is too old, and has no other fault.
            InvalidToken: any other fault. Its cause names the rule, for logs, and never shows the token.
            SigningKeysUnavailable: the key that the token names cannot be looked up now.
        """
        if (claims := self.cached(authorization)) is not None:
            return claims
        self.cache_misses += 1
        token = _bearer_token(authorization)
        kid = _checked_header(token).get("kid")
        # Made before the wait. If the keys change meanwhile, the entry belongs to the old keys and is never found.
        cache_key = self._cache_key(authorization)
        keys = await self._keys.find(kid)
        if not keys:
            raise InvalidToken from _Refused("no key for this kid")
        self._cache[cache_key] = claims = self._claims(token, keys)
        return claims

    def _cache_key(self, authorization: str) -> tuple[int, bytes]:
        return self._keys.generation, hashlib.sha256(authorization.encode("ascii")).digest()

    def _forget_at(self, _key: tuple[int, bytes], claims: Claims, now: float) -> float:
        return now + min(LONGEST_CACHED, claims.expires_at - self._clock())

    def _claims(self, token: str, keys: tuple[SigningKey, ...]) -> Claims:
        payload = self._verified_payload(token, keys)
        try:
            claims = Claims(
                user_id=_text(payload, "sub"),
                org_id=None if payload.get(self._org_claim) is None else _text(payload, self._org_claim),
                scopes=_scopes(payload),
                expires_at=_seconds(payload, "exp"),
            )
            self._refuse_early(payload)
        except _Refused as refused:
            raise InvalidToken from refused
        # Last: only a token that was good once is called expired.
        if claims.expires_at + self._leeway <= self._clock():
            raise ExpiredToken
        return claims

    def _verified_payload(self, token: str, keys: tuple[SigningKey, ...]) -> Mapping[str, Any]:
        unsigned: jwt.InvalidTokenError | None = None
        for key in keys:
            try:
                return self._decoded(token, key)
            except _ANOTHER_KEY as error:
                unsigned = error
            except _SPEAKABLE as error:
                raise InvalidToken from error
            except Exception:
                # Catches more than PyJWT's errors: a hostile token may cause an exception that nobody expected.
                raise InvalidToken from None
        raise InvalidToken from unsigned

    def _decoded(self, token: str, key: SigningKey) -> Mapping[str, Any]:
        return jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm],
            options=_OPTIONS,
            issuer=self._issuer,
            audience=self._audience,
        )

    def _refuse_early(self, payload: Mapping[str, Any]) -> None:
        # RFC 7519, section 4.1.5. If a token was issued in the future (4.1.6), its issuer's clock is wrong.
        for name in ("nbf", "iat"):
            if name in payload and _seconds(payload, name) > self._clock() + self._leeway:
                raise _Refused(f"{name} is in the future")


def _bearer_token(authorization: str) -> str:
    scheme, token = authorization[: len(_SCHEME)], authorization[len(_SCHEME) :]
    if scheme.lower() != _SCHEME or not token:
        raise MissingToken
    if len(token) > LONGEST_TOKEN:
        raise InvalidToken from _Refused("longer than 8 KiB")
    if _COMPACT.fullmatch(token) is None:
        raise InvalidToken from _Refused("not three parts in base64url")
    return token


def _checked_header(token: str) -> Mapping[str, Any]:
    """The header, which is not verified yet. It may only refuse the token, or choose one of the configured keys."""
    _refuse_nested(token)
    try:
        header = jwt.get_unverified_header(token)
    except Exception:
        raise InvalidToken from None  # as in _verified_payload
    typ = header.get("typ", "JWT")
    if not isinstance(typ, str) or typ.lower() not in _TYPES:
        raise InvalidToken from _Refused("typ is not that of an access token")
    # RFC 7515, section 4.1.11: an extension that is not understood must be refused. None is understood here.
    if "crit" in header:
        raise InvalidToken from _Refused("crit names an extension")
    return header


def _refuse_nested(token: str) -> None:
    # The parser goes as deep as Python allows before it gives up. A garbage collection that begins down there has no
    # room for what it calls, and the interpreter prints each such failure to stderr, past the log.
    encoded, _, _ = token.partition(".")
    try:
        header = urlsafe_b64decode(encoded + "==")  # more padding than is needed does no harm
    except ValueError:
        raise InvalidToken from None
    if header.count(b"[") + header.count(b"{") > _MOST_BRACKETS:
        raise InvalidToken from _Refused("the header is nested")


def _text(payload: Mapping[str, Any], name: str) -> str:
    value = payload[name]
    if not isinstance(value, str) or _TEXT.fullmatch(value) is None:
        raise _Refused(f"{'sub' if name == 'sub' else 'the organisation'} is not text of 1 to 255 characters")
    return value


def _seconds(payload: Mapping[str, Any], name: str) -> float:
    """A NumericDate, RFC 7519, section 2: a JSON number. Python would also accept `true` and 1e400."""
    value = payload[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Refused(f"{name} is not a number")
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf
    if not math.isfinite(seconds):
        raise _Refused(f"{name} is not a finite number")
    return seconds


def _scopes(payload: Mapping[str, Any]) -> frozenset[str]:
    """The union of `scope` (RFC 8693, section 4.2: separated by spaces) and `permissions`, which some issuers use."""
    scope = payload.get("scope", "")
    if not isinstance(scope, str):
        raise _Refused("scope is not text")
    permissions = payload.get("permissions", [])
    if not isinstance(permissions, list) or not all(isinstance(permission, str) for permission in permissions):
        raise _Refused("permissions is not an array of strings")
    return frozenset(scope.split(" ")).union(permissions) - {""}


def sign(settings: TokenSettings, *, user: str, scope: str = "", org: str | None = None, expires_in: int = 3600) -> str:
    """A token for the configured HS256 secret, issuer and audience: for development and tests.

    `scope` is a list separated by spaces. `expires_in` is in seconds; a negative number makes an expired token.

    Raises:
        StartupError: no secret is configured, or `user` or `org` is not a valid id.
    """
    secrets = hs256_secrets(settings)
    if not secrets:
        raise StartupError("READSTATE_TOKEN_SECRET is not set")
    now = int(time.time())
    claims: dict[str, str | int] = {"iss": settings.token_issuer, "aud": settings.token_audience, "sub": user}
    claims |= {"scope": scope, "iat": now, "exp": now + expires_in}
    if org is not None:
        claims[settings.token_org_claim] = org
    for value in (user, org):
        if value is not None and _TEXT.fullmatch(value) is None:
            raise StartupError("users and organisations are text of 1 to 255 characters without control characters")
    return jwt.encode(claims, secrets[0], "HS256")
