"""What the caller is here, and whether that is enough for the method."""

from typing import Any, Protocol

from readstate.errors import MissingScope, NoOrganization
from readstate.model import Claims, Member
from readstate.rpc.call import Call, Handler, Interceptor


class Directory(Protocol):
    """Claims → Member."""

    def cached(self, claims: Claims) -> Member | None:
        """The member, if no look-up is needed."""

    async def find(self, claims: Claims) -> Member:
        """The member."""


def authorize(directory: Directory) -> Interceptor:
    """Look the member up, and check organisation and scope, in the order of the contract. The request is decoded only
    afterwards."""

    async def interceptor(call_next: Handler, request: Any, call: Call) -> Any:
        access, claims = call.method.access, call.claims
        if claims is not None:
            if access.member:
                call.member = directory.cached(claims) or await directory.find(claims)
                if access.organization and call.member.org_key is None:
                    raise NoOrganization
            if access.scope is not None and access.scope not in claims.scopes:
                raise MissingScope(access.scope)
        return await call_next(request, call)

    return interceptor
