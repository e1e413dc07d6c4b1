"""DirectoryService."""

from readstate.directory import Directory
from readstate.rpc import caller, convert
from readstate.rpc.caller import Context
from readstate.v1 import directory_pb2 as pb
from readstate.v1 import directory_pb2_grpc


class DirectoryService(directory_pb2_grpc.DirectoryServiceServicer):
    """Who is a member of what, as producers tell it. The proto states the rules."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def UpsertMembers(self, request: pb.UpsertMembersRequest, _: Context) -> pb.UpsertMembersResponse:
        members = convert.new_members(request.members)
        await self._directory.upsert(members)
        caller.count(ids=len(members))
        return pb.UpsertMembersResponse()

    async def RemoveMembers(self, request: pb.RemoveMembersRequest, _: Context) -> pb.RemoveMembersResponse:
        user_ids = convert.user_ids(request.user_ids)
        removed = await self._directory.remove(user_ids)
        caller.count(ids=len(user_ids), changed=removed)
        return pb.RemoveMembersResponse(removed_count=removed)
