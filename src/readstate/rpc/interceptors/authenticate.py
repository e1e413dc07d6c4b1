"""Who is calling."""

from typing import Any

from readstate.errors import InvalidToken, MissingToken
from readstate.identity.tokens import TokenVerifier
from readstate.rpc.call import Call, Handler, Interceptor


def authenticate(verifier: TokenVerifier) -> Interceptor:
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
