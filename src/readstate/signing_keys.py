"""The keys that verify tokens, and where they come from: a secret, a PEM file or a JWKS URL.

A key is bound to one algorithm when it is read, so that a token can never choose how it is verified (RFC 8725,
sections 2.1 and 3.1).
"""

import asyncio
import json
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Protocol, Self

import jwt
import structlog
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, StreamReader
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from readstate.config import TokenSettings
from readstate.errors import SigningKeysUnavailable, StartupError

log = structlog.get_logger("readstate")

Algorithm = Literal["HS256", "RS256", "ES256", "EdDSA"]

REFRESH: Final = 300.0
"""Seconds between two fetches of a JWKS."""
COOL_DOWN: Final = 10.0
"""Seconds after a fetch in which neither an unknown `kid` nor a failure causes another one."""
FETCH_TIMEOUT: Final = 5.0
"""Seconds that one fetch may take: no call lasts longer either."""
LARGEST_JWKS: Final = 256 * 1024
"""Bytes. The largest sets of well-known issuers are near 20 KiB."""
MOST_WAITING: Final = 64
"""Calls that may wait for one fetch, so that forged tokens cannot fill the server while an endpoint is slow."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key and the only algorithm that it is used with. It is left out of `repr`: it may be a secret."""

    algorithm: Algorithm
    key: RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey | bytes = field(repr=False)
    kid: str | None = None


class KeySource(Protocol):
    """Where keys come from: an async context manager, usable between enter and exit."""

    @property
    def generation(self) -> int:
        """Another number whenever the keys are others: what was verified under an older one is to be forgotten."""

    async def find(self, kid: str | None) -> SigningKey | None:
        """The key for a token whose header names `kid`, or None where there is none.

        Raises:
            SigningKeysUnavailable: whether there is one cannot be known now.
        """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def key_source(settings: TokenSettings) -> KeySource:
    """The one key source that the settings name.

    Raises:
        StartupError: the secret or the PEM file is not one that can verify tokens.
    """
    if settings.token_jwks_url is not None:
        return JwksKeys(settings.token_jwks_url)
    if settings.token_public_key is not None:
        return StaticKey(read_public_key(settings.token_public_key))
    return StaticKey(SigningKey("HS256", hs256_secret(settings)))


def hs256_secret(settings: TokenSettings) -> bytes:
    """The secret of READSTATE_TOKEN_SECRET.

    Raises:
        StartupError: it is not set, or it is an asymmetric key or a JWK, which PyJWT refuses as a secret: the first
            may be public, and the second is not the key itself.
    """
    if settings.token_secret is None:
        raise StartupError("READSTATE_TOKEN_SECRET is not set")
    secret = settings.token_secret.get_secret_value().encode()
    try:
        jwt.get_algorithm_by_name("HS256").prepare_key(secret)
    except jwt.InvalidKeyError:
        raise StartupError("READSTATE_TOKEN_SECRET: must be random text, not a PEM key or a JWK") from None
    return secret


def read_public_key(path: Path) -> SigningKey:
    """The key in a PEM file (RFC 7468, section 13).

    Raises:
        StartupError: the file cannot be read or holds no such key.
    """
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise StartupError(f"READSTATE_TOKEN_PUBLIC_KEY: the file cannot be read ({error.strerror})") from None
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if (signing_key := _bind(key, kid=None)) is None:
        raise StartupError(
            "READSTATE_TOKEN_PUBLIC_KEY: must be a PEM public key: RSA of 2048 bits or more, P-256 or Ed25519"
        )
    return signing_key


def _bind(key: object, kid: str | None) -> SigningKey | None:
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


class StaticKey:
    """One key for every token, whatever `kid` says. It never changes."""

    generation = 0

    def __init__(self, key: SigningKey) -> None:
        self._key = key

    async def find(self, kid: str | None) -> SigningKey:
        return self._key

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class JwksKeys:
    """The keys of a JWKS URL (RFC 7517), fetched when entered and every `refresh` seconds.

    A fetch that fails leaves the last good set in use, and is tried again after `cool_down` seconds. A `kid` that is
    not in the set causes a fetch at most once in `cool_down` seconds; all who wait share it.
    """

    def __init__(
        self,
        url: str,
        *,
        refresh: float = REFRESH,
        cool_down: float = COOL_DOWN,
        timeout: float = FETCH_TIMEOUT,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._url = url
        self._refresh = refresh
        self._cool_down = cool_down
        self._timeout = timeout
        self._most_waiting = most_waiting
        self._keys: tuple[SigningKey, ...] = ()
        self._failed = True
        self._fetching: asyncio.Task[None] | None = None
        self._next_fetch = 0.0
        self._waiting = 0
        self._loop: asyncio.Task[None] | None = None
        self.generation = 0

    async def __aenter__(self) -> Self:
        """Fetch once, and start refreshing. A failure is not raised: the endpoint may come up after this server."""
        await self._shared_fetch()
        self._loop = asyncio.create_task(self._keep_fresh(), name="signing keys")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = [task for task in (self._loop, self._fetching) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def find(self, kid: str | None) -> SigningKey | None:
        """The key named `kid`; without a `kid`, the only key of a set of one.

        Raises:
            SigningKeysUnavailable: no such key is known and the endpoint does not answer. The key may be a new one:
                "invalid" would make clients throw good tokens away.
        """
        if (key := self._select(kid)) is None:
            await self._look_again()
            key = self._select(kid)
        if key is None and self._failed:
            raise SigningKeysUnavailable
        return key

    def _select(self, kid: str | None) -> SigningKey | None:
        if kid is None:
            return self._keys[0] if len(self._keys) == 1 else None
        return next((key for key in self._keys if key.kid == kid), None)

    async def _look_again(self) -> None:
        if self._fetching is None and time.monotonic() < self._next_fetch:
            return
        if self._waiting >= self._most_waiting:
            raise SigningKeysUnavailable
        self._waiting += 1
        try:
            await self._shared_fetch()
        finally:
            self._waiting -= 1

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(self._cool_down if self._failed else self._refresh)
            await self._shared_fetch()

    async def _shared_fetch(self) -> None:
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch(), name="signing keys fetch")
        # Shielded: a caller who gives up must not take the fetch away from the others.
        await asyncio.shield(self._fetching)

    async def _fetch(self) -> None:
        try:
            keys = await _download(self._url, self._timeout)
        except Exception as error:
            # Whatever an endpoint answers, the last good set stays in use.
            self._failed = True
            _log_failure(error)
        else:
            self._failed = False
            self._replace(keys)
        finally:
            self._next_fetch = time.monotonic() + self._cool_down
            self._fetching = None

    def _replace(self, keys: tuple[SigningKey, ...]) -> None:
        if keys != self._keys:
            self._keys = keys
            self.generation += 1
            log.info("signing keys changed", count=len(keys))


def _log_failure(error: Exception) -> None:
    # Only words of ours: another exception's text may hold the URL, whose query may be a secret, or the answer.
    if isinstance(error, UnfitAnswer):
        log.warning("signing keys could not be fetched", reason=str(error))
    elif isinstance(error, TimeoutError):
        log.warning("signing keys could not be fetched", reason="no whole answer in time")
    else:
        log.warning("signing keys could not be fetched", exc_info=error)


class UnfitAnswer(ValueError):
    """Why an endpoint's answer is of no use, in words of ours alone: it is logged."""


def parse_jwks(document: bytes) -> tuple[SigningKey, ...]:
    """The usable keys of a JWK Set (RFC 7517, section 5), at least one.

    Keys of another kind, use or algorithm are passed over, as the RFC asks; so are symmetric keys, which are no
    secret once published, and private ones.

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
        # Only the members that make up the key: PyJWT would bind it to any `alg` that it finds.
        key = jwt.PyJWK({name: entry[name] for name in ("kty", "crv", "n", "e", "x", "y") if name in entry}).key
    except (jwt.PyJWTError, UnsupportedAlgorithm):
        return None
    signing_key = _bind(key, kid)
    if signing_key is None or entry.get("alg", signing_key.algorithm) != signing_key.algorithm:
        return None
    return signing_key


def _is_for_signatures(entry: dict[str, object]) -> bool:
    # RFC 7517, sections 4.2 and 4.3.
    operations = entry.get("key_ops", ["verify"])
    return entry.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations


async def _download(url: str, timeout: float) -> tuple[SigningKey, ...]:
    """The keys of the set at `url`, by way of the proxy that the environment names for it.

    Raises:
        Exception: there is no usable answer within `timeout` seconds, whichever part of it is slow.
    """
    headers = {"Accept": "application/jwk-set+json, application/json", "Accept-Encoding": "identity"}
    async with (
        ClientSession(
            headers=headers | {"User-Agent": "readstate"},
            timeout=ClientTimeout(total=timeout),
            trust_env=True,
            cookie_jar=DummyCookieJar(),
            # A small answer could become a large one.
            auto_decompress=False,
        ) as session,
        # A redirect could lead from the configured endpoint to another host, or from https to http.
        session.get(url, allow_redirects=False) as response,
    ):
        if response.status != HTTPStatus.OK:
            raise UnfitAnswer(f"HTTP status {response.status}")
        return parse_jwks(await _bounded(response.content))


async def _bounded(body: StreamReader) -> bytes:
    document = bytearray()
    async for chunk in body.iter_any():
        document += chunk
        if len(document) > LARGEST_JWKS:
            raise UnfitAnswer(f"larger than {LARGEST_JWKS} bytes")
    return bytes(document)
