"""A key that is there from the start."""

from types import TracebackType
from typing import Self

from readstate.identity.signing_keys.key import SigningKey


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
