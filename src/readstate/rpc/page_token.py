"""Positions in a list as text, for callers to hand back and not to read."""

import base64
import binascii
from typing import Final

from readstate.errors import InvalidRequest

_VERSION: Final = b"\x01"


def cursor(position: int) -> str:
    """The text of a position, a number of 63 bits."""
    return base64.urlsafe_b64encode(_VERSION + position.to_bytes(8)).decode()


def position(text: str, field: str) -> int:
    """The position that `cursor` made the text of."""
    try:
        data = base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if len(data) != 9 or data[:1] != _VERSION or data[1] > 0x7F:
        raise InvalidRequest(field, "must be a next_cursor of this method")
    return int.from_bytes(data[1:])
