"""The keys that verify tokens, and where they come from: secrets, PEM files or a JWKS URL."""

from types import TracebackType
from typing import Protocol, Self

from readstate.config import TokenSettings
from readstate.identity.signing_keys.key import SigningKey, hs256_secrets, public_keys
from readstate.identity.signing_keys.static import StaticKeys

__all__ = ["KeySource", "SigningKey", "StaticKeys", "hs256_secrets", "key_source"]


class KeySource(Protocol):
    """Where keys come from: an async context manager, usable between enter and exit."""

    @property
    def generation(self) -> int:
        """Changes when the keys change. What was verified under an older number must be forgotten."""

    async def find(self, kid: str | None) -> tuple[SigningKey, ...]:
        """The keys that may have signed a token whose header names `kid`; empty if there is none.

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
        StartupError: a secret or a PEM file is not one that can verify tokens.
    """
    if settings.token_jwks_url is not None:
        # Imported here because it takes 0.1 s, and `readstate token` does not need it.
        from readstate.identity.signing_keys.jwks_url import JwksKeys

        return JwksKeys(settings.token_jwks_url)
    return StaticKeys(*public_keys(settings), *(SigningKey("HS256", secret) for secret in hs256_secrets(settings)))
