"""Who is calling, for handlers."""

from readstate.errors import NoOrganization
from readstate.model import Member, OrgMember
from readstate.rpc import call


def member() -> Member:
    """Who is calling. Only where the method's access demands a member."""
    found = call.current.get().member
    assert found is not None, "the method's row in access.py does not demand a member"  # noqa: S101
    return found


def in_organization() -> OrgMember:
    """Who is calling, and for which organisation.

    Raises:
        NoOrganization: the member is in none.
    """
    found = member()
    if found.org_key is None:
        raise NoOrganization
    return OrgMember(found.member_key, found.org_key)
