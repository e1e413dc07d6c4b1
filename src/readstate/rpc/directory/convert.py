"""Requests of DirectoryService → values."""

from collections.abc import Sequence

from readstate.errors import InvalidRequest
from readstate.model import NewMember
from readstate.rpc import fields
from readstate.v1 import directory_pb2 as pb


def new_members(messages: Sequence[pb.NewMember]) -> list[NewMember]:
    """The members of a request, each user at most once."""
    members = [
        _new_member(message, f"members[{i}]") for i, message in enumerate(fields.bounded_list(messages, "members"))
    ]
    seen: set[str] = set()
    for i, member in enumerate(members):
        if member.user_id in seen:
            raise InvalidRequest(f"members[{i}].user_id", "names a user who is in the list already")
        seen.add(member.user_id)
    return members


def _new_member(message: pb.NewMember, path: str) -> NewMember:
    return NewMember(
        user_id=fields.name(message.user_id, f"{path}.user_id"),
        org_id=fields.optional_name(message, "org_id", path),
        start_read=message.start_read,
    )
