"""JSON, read exactly. A float would turn some ids into other ids."""

import json
import math
from decimal import Decimal
from itertools import accumulate
from typing import Any, Final

LARGEST_ID: Final = 2**63 - 1
MOST_DIGITS: Final = 4300
"""Digits of a number. Python's int() reads no more, because its time grows with their square."""
DEEPEST: Final = 100
"""Arrays and objects that may lie in each other. Two do in a body of this API."""

_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


def event_ids(body: bytes) -> list[int]:
    """The valid ids of `{"id": …}` or `{"ids": […]}`. If a body has both, the ids of both.

    A valid id is a number without a fraction, from 1 to 2^63 - 1: 5 is one, and so is 5.0. Everything else is skipped.
    A body that is not a JSON object has no ids. The server says whether that is an error, after it knows who is
    calling.
    """
    fields = json_object(body) or {}
    ids = fields.get("ids")
    candidates = ids if isinstance(ids, list) else []
    if "id" in fields:
        candidates = [fields["id"], *candidates]
    # Not isinstance: True is an int.
    return [value for value in candidates if type(value) is int and 0 < value <= LARGEST_ID]


def json_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object in the body, or None if the body is something else. Integers are exact, other numbers are NaN."""
    # Deep nesting is refused before it is parsed: identity/tokens.py says what it would print.
    if _depth(body) > DEEPEST:
        return None
    try:
        value = _JSON.decode(body.decode())
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _depth(body: bytes) -> int:
    """How deep a body is nested at most. Brackets in its strings count as well."""
    brackets = body.translate(None, _NO_BRACKETS)
    return max(accumulate(1 if bracket in b"[{" else -1 for bracket in brackets), default=0)


def _number(text: str) -> int | float:
    """A number that is written with a fraction or an exponent. 5.0 and 1e2 are integers; other numbers are NaN.

    Not None: None means that a field is absent.
    """
    if len(text) > MOST_DIGITS:
        raise ValueError("too many digits")
    try:
        number = Decimal(text)
    except ArithmeticError:  # an exponent of 19 digits
        return math.nan
    # The bound comes first: to make an int of 1e999999999 takes hours.
    if not 0 <= number <= LARGEST_ID or number != int(number):
        return math.nan
    return int(number)


def _not_json(name: str) -> None:
    raise ValueError(name)


_JSON: Final = json.JSONDecoder(parse_float=_number, parse_constant=_not_json)
