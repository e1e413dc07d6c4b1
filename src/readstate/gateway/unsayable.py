"""What of a request cannot be put into a message of the contract, and how it is refused all the same."""

from datetime import UTC, datetime
from typing import Any, NoReturn

from google.protobuf.message import Message

from readstate.errors import InvalidRequest
from readstate.gateway.problems import Problem
from readstate.gateway.request import Request
from readstate.gateway.upstream import Upstream


class Unsayable(Exception):
    """A field whose value no message can hold, and what it must be."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(field, message)
        self.field = field
        self.message = message


async def refuse(found: Unsayable, upstream: Upstream, method: Any, refused: Message, request: Request) -> NoReturn:
    """Answer 400, naming the field. The server judges first who is calling: `refused` is a message that it takes from
    nobody.

    Raises:
        Problem: 400, or what the caller lacks.
    """
    try:
        await upstream.call(method, refused, request)
    except Problem as problem:
        if problem.status != 400:
            raise
    raise Problem(400, found.message, reason=InvalidRequest.reason, param=found.field)


def moment(text: object, field: str) -> datetime:
    """A time in ISO 8601. One without an offset is in UTC.

    Raises:
        Unsayable: it is none.
    """
    try:
        found = datetime.fromisoformat(text)  # type: ignore[arg-type]  # TypeError is one of its answers
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise Unsayable(field, "must be an ISO 8601 time, as in 2026-11-21T06:30:00Z") from None
