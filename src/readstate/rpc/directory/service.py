"""DirectoryService."""

from readstate.identity.directory import Directory
from readstate.rpc import call, fields
from readstate.rpc.call import Context
from readstate.rpc.directory import convert
from readstate.v1 import directory_pb2 as pb
from readstate.v1 import directory_pb2_grpc


class DirectoryService(directory_pb2_grpc.DirectoryServiceServicer):
    """Who is a member of what, as producers tell it. The proto states the rules."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def UpsertMembers(self, request: pb.UpsertMembersRequest, _: Context) -> pb.UpsertMembersResponse:
        members = convert.new_members(request.members)
        await self._directory.upsert(members)
        call.count(ids=len(members))
        return pb.UpsertMembersResponse()

    async def RemoveMembers(self, request: pb.RemoveMembersRequest, _: Context) -> pb.RemoveMembersResponse:
        user_ids = fields.user_ids(request.user_ids)
        removed = await self._directory.remove(user_ids)
        call.count(ids=len(user_ids), changed=removed)
        return pb.RemoveMembersResponse(removed_count=removed)
