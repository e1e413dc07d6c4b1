"""Who is calling, and whether they may."""

from typing import Any

from readstate.errors import InvalidToken, MissingScope, MissingToken, NoOrganization
from readstate.identity.directory import Directory
from readstate.identity.tokens import TokenVerifier
from readstate.rpc.call import Call, Handler, Interceptor


def authenticate(verifier: TokenVerifier, directory: Directory) -> Interceptor:
    """Find out who is calling and whether they may, in the order of the contract, before the request is decoded."""

    async def interceptor(call_next: Handler, request: Any, call: Call) -> Any:
        access = call.method.access
        if access.token:
            call.claims = claims = await verifier.verify(_authorization(call))
            if access.member:
                call.member = directory.cached(claims) or await directory.find(claims)
                if access.organization and call.member.org_key is None:
                    raise NoOrganization
            if access.scope is not None and access.scope not in claims.scopes:
                raise MissingScope(access.scope)
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
