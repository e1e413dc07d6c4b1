"""Who is calling."""

from typing import Any, Protocol

from readstate.errors import InvalidToken, MissingToken
from readstate.model import Claims
from readstate.rpc.call import Call, Handler, Interceptor


class Verifier(Protocol):
    """Authorization → Claims."""

    async def verify(self, authorization: str) -> Claims:
        """What the caller's authorization says."""


def authenticate(verifier: Verifier) -> Interceptor:
    """Verify the caller's token."""

    async def interceptor(call_next: Handler, request: Any, call: Call) -> Any:
        if call.method.access.token:
            call.claims = await verifier.verify(_authorization(call))
        return await call_next(request, call)

    return interceptor


def _authorization(call: Call) -> str:
    # `dict(metadata)` would keep the last of two values. A proxy in front may have checked the first.
    if len(call.authorizations) != 1:
        raise MissingToken
    (value,) = call.authorizations
    if isinstance(value, bytes):
        raise InvalidToken
    return value
