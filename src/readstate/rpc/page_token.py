"""Positions in a list as text, for callers to hand back and not to read."""

import base64
import binascii
import hashlib
from typing import Final

from google.protobuf.message import Message

from readstate.errors import InvalidRequest

_VERSION: Final = b"\x01"
_BOUND: Final = b"\x02"
_DIGEST: Final = 9
"""Bytes of a list's digest that its tokens carry."""


def cursor(position: int) -> str:
    """The text of a position, a number of 63 bits."""
    return base64.urlsafe_b64encode(_VERSION + position.to_bytes(8)).decode()


def position(text: str, field: str) -> int:
    """The position that `cursor` made the text of."""
    data = _decoded(text)
    if len(data) != 9 or data[:1] != _VERSION or data[1] > 0x7F:
        raise InvalidRequest(field, "must be a next_cursor of this method")
    return int.from_bytes(data[1:])


class TokensOf:
    """The page tokens of one list: of what a method gives one organisation for one filter. Other lists refuse them."""

    def __init__(self, method: str, org_key: int, chosen: Message) -> None:
        """`chosen` is the request without what only chooses a page of the list."""
        content = chosen.SerializeToString(deterministic=True)
        self._digest = hashlib.sha256(f"{method}\0{org_key}\0".encode() + content).digest()[:_DIGEST]

    def token(self, position: int | None) -> str:
        """The token of a position, a number of 63 bits; empty for none."""
        if position is None:
            return ""
        return base64.urlsafe_b64encode(_BOUND + position.to_bytes(8) + self._digest).decode()

    def position(self, token: str) -> int | None:
        """The position that `token` made the text of; None for an empty one.

        Raises:
            InvalidRequest: the field `page_token` is of no list, or of another one.
        """
        if not token:
            return None
        data = _decoded(token)
        if data[:1] != _BOUND or data[9:] != self._digest or data[1] > 0x7F:
            raise InvalidRequest("page_token", "must come from the page before, of the same list")
        return int.from_bytes(data[1:9])


def _decoded(text: str) -> bytes:
    """The bytes of a token; none where it cannot be one."""
    try:
        return base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
