"""JSON, read exactly: no id may turn into another one on its way through a float."""

import json
import math
from decimal import Decimal
from typing import Any, Final

LARGEST_ID: Final = 2**63 - 1
MOST_DIGITS: Final = 4300
"""Digits of a number: as many as Python's int() reads, whose time grows with their square."""


def event_ids(body: bytes) -> list[int]:
    """The valid ids of `{"id": …}` or `{"ids": […]}`, of both where both are there.

    A valid id is a number that is an integer from 1 to 2^63 - 1, as 5 and 5.0 are. Anything else is skipped; a body
    that is no JSON object holds none. Whether that will do is for the server to say, after who is calling.
    """
    fields = json_object(body) or {}
    ids = fields.get("ids")
    candidates = ids if isinstance(ids, list) else []
    if "id" in fields:
        candidates = [fields["id"], *candidates]
    # Not isinstance: True is an int.
    return [value for value in candidates if type(value) is int and 0 < value <= LARGEST_ID]


def json_object(body: bytes) -> dict[str, Any] | None:
    """A JSON object whose integers are exact and whose other numbers are NaN; None if the body is anything else."""
    try:
        value = _JSON.decode(body.decode())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _number(text: str) -> int | float:
    """A number with a fraction or an exponent: 5.0 and 1e2 are integers. What is no id is no None either: that says
    that a field is absent."""
    if len(text) > MOST_DIGITS:
        raise ValueError("too many digits")
    try:
        number = Decimal(text)
    except ArithmeticError:  # an exponent of 19 digits
        return math.nan
    # Bounded before it becomes an int, which 1e999999999 would do for hours.
    if not 0 < number <= LARGEST_ID or number != int(number):
        return math.nan
    return int(number)


def _not_json(name: str) -> None:
    raise ValueError(name)


_JSON: Final = json.JSONDecoder(parse_float=_number, parse_constant=_not_json)
