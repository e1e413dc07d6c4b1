"""The keys that verify tokens, and where they come from: a secret, a PEM file or a JWKS URL."""

from types import TracebackType
from typing import Protocol, Self

from readstate.config import TokenSettings
from readstate.identity.signing_keys.key import SigningKey, hs256_secret, read_public_key
from readstate.identity.signing_keys.static import StaticKey

__all__ = ["KeySource", "SigningKey", "StaticKey", "hs256_secret", "key_source", "read_public_key"]


class KeySource(Protocol):
    """Where keys come from: an async context manager, usable between enter and exit."""

    @property
    def generation(self) -> int:
        """Changes when the keys change. What was verified under an older number must be forgotten."""

    async def find(self, kid: str | None) -> SigningKey | None:
        """The key for a token whose header names `kid`, or None if there is no such key.

        Raises:
            SigningKeysUnavailable: it is not known now whether there is one.
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
        # Imported here because it takes 0.1 s, and `readstate token` does not need it.
        from readstate.identity.signing_keys.jwks_url import JwksKeys

        return JwksKeys(settings.token_jwks_url)
    if settings.token_public_key is not None:
        return StaticKey(read_public_key(settings.token_public_key))
    return StaticKey(SigningKey("HS256", hs256_secret(settings)))
