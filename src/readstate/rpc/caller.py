"""Who is calling, for handlers."""

from readstate.errors import NoOrganization
from readstate.model import Claims, Member, OrgMember
from readstate.rpc import call


def member() -> Member:
    """Who is calling. Only where the method's access demands a member."""
    found = call.current.get().member
    assert found is not None, "the method's row in access.py does not demand a member"  # noqa: S101
    return found


def claims() -> Claims:
    """What the caller's token says. Only where the method's access demands one."""
    found = call.current.get().claims
    assert found is not None, "the method's row in access.py does not demand a token"  # noqa: S101
    return found


def authorization() -> str:
    """The caller's `authorization`, which has been verified. Only as `claims`."""
    (value,) = call.current.get().authorizations
    return str(value)


def in_organization() -> OrgMember:
    """Who is calling, and for which organisation.

    Raises:
        NoOrganization: the member is in none.
    """
    found = member()
    if found.org_key is None:
        raise NoOrganization
    return OrgMember(found.member_key, found.org_key)
