"""The keys of a JWKS URL: fetched, shared and kept fresh."""

import asyncio
import time
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self

import structlog
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, StreamReader

from readstate.errors import SigningKeysUnavailable
from readstate.identity.signing_keys.jwk_set import UnfitAnswer, parse_jwks
from readstate.identity.signing_keys.key import SigningKey

log = structlog.get_logger("readstate")

REFRESH: Final = 300.0
"""Seconds between two fetches of a JWKS."""
COOL_DOWN: Final = 10.0
"""Seconds after a fetch. In this time neither an unknown `kid` nor a failure causes another fetch."""
FETCH_TIMEOUT: Final = 5.0
"""Seconds that one fetch may take. A call does not last longer either."""
LARGEST_JWKS: Final = 256 * 1024
"""Bytes. The largest sets of well-known issuers have about 20 KiB."""
MOST_WAITING: Final = 64
"""Calls that may wait for one fetch. Else forged tokens could fill the server while the endpoint is slow."""


class JwksKeys:
    """The keys of a JWKS URL (RFC 7517). They are fetched at the start and then every `refresh` seconds.

    If a fetch fails, the last good set stays in use, and the next try comes after `cool_down` seconds. A `kid` that is
    not in the set causes a fetch, at most one in `cool_down` seconds. All calls that wait share it.
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
        """Fetch once, and start refreshing. A failure is not raised: the endpoint may start later than this server."""
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

    async def find(self, kid: str | None) -> tuple[SigningKey, ...]:
        """The key named `kid`; without a `kid`, the only key of a set of one.

        Raises:
            SigningKeysUnavailable: no such key is known, and the endpoint does not answer. The key may be new. If the
                answer were "invalid", clients would throw good tokens away.
        """
        if not (found := self._select(kid)):
            await self._look_again()
            found = self._select(kid)
        if not found and self._failed:
            raise SigningKeysUnavailable
        return found

    def _select(self, kid: str | None) -> tuple[SigningKey, ...]:
        if kid is None:
            return self._keys if len(self._keys) == 1 else ()
        # A set that names two keys alike is at fault; the first is the one.
        return tuple(key for key in self._keys if key.kid == kid)[:1]

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
        # Shielded: a caller that gives up must not cancel the fetch for the others.
        await asyncio.shield(self._fetching)

    async def _fetch(self) -> None:
        try:
            keys = await _download(self._url, self._timeout)
        except Exception as error:
            # The last good set stays in use, whatever the endpoint answers.
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
    # Only our own words. The text of another exception may hold the answer, or the URL with a secret in its query.
    if isinstance(error, UnfitAnswer):
        log.warning("signing keys could not be fetched", reason=str(error))
    elif isinstance(error, TimeoutError):
        log.warning("signing keys could not be fetched", reason="no whole answer in time")
    else:
        log.warning("signing keys could not be fetched", exc_info=error)


async def _download(url: str, timeout: float) -> tuple[SigningKey, ...]:
    """The keys of the set at `url`, through the proxy that the environment names for it.

    Raises:
        Exception: there is no usable answer within `timeout` seconds in all.
    """
    headers = {"Accept": "application/jwk-set+json, application/json", "Accept-Encoding": "identity"}
    async with (
        ClientSession(
            headers=headers | {"User-Agent": "readstate"},
            timeout=ClientTimeout(total=timeout),
            trust_env=True,
            cookie_jar=DummyCookieJar(),
            # Decompression could make a small answer large.
            auto_decompress=False,
        ) as session,
        # A redirect could lead to another host than the configured one, or from https to http.
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
