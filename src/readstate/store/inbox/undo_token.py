"""Undo tokens: what a mark-all has changed, as text. No secret: a forged one does what MarkUnread could."""

import re
from typing import Final

from readstate.errors import InvalidUndoToken
from readstate.model import OrgMember

LARGEST: Final = 65_536
"""Bytes of a token's ranges. A larger token is not given."""
LARGEST_SEQ: Final = 2**31 - 1
"""What a column of positions holds."""

_FORM: Final = re.compile(r"1\.(\d+)\.(\d+)\.(\{\[\d{1,10},\d{1,10}\)(?:,\[\d{1,10},\d{1,10}\))*\})", re.ASCII)
_LONGEST: Final = LARGEST + 100
_BOUND: Final = re.compile(r"\[(\d+),(\d+)\)", re.ASCII)


def undo_token(member: OrgMember, ranges: str) -> str:
    """The token for these ranges, which are an `int4multirange` as text."""
    return f"1.{member.org_key}.{member.member_key}.{ranges}"


def ranges(token: str, member: OrgMember) -> str:
    """The ranges of a token.

    Raises:
        InvalidUndoToken: it is no undo token, or it belongs to another member or organisation.
    """
    found = _FORM.fullmatch(token) if len(token) <= _LONGEST else None
    if found is None or (found[1], found[2]) != (str(member.org_key), str(member.member_key)):
        raise InvalidUndoToken
    if not all(1 <= int(low) < int(high) <= LARGEST_SEQ for low, high in _BOUND.findall(found[3])):
        raise InvalidUndoToken
    return found[3]
