"""Keys that are there from the start."""

from types import TracebackType
from typing import Self

from readstate.identity.signing_keys.key import SigningKey


class StaticKeys:
    """The same keys for every token, whatever `kid` says. They never change."""

    generation = 0

    def __init__(self, *keys: SigningKey) -> None:
        self._keys = keys

    async def find(self, kid: str | None) -> tuple[SigningKey, ...]:
        return self._keys

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass
