"""The naive Python peer: grpc.aio, one statement a call, the token decoded in each call.

What a first version of such a service looks like, by the examples in the documentation of its libraries: asyncio's own
loop, a pool of the default size. The member is looked up once, asyncpg prepares the statement, and the bench hands it
the service's own. BENCH_UVLOOP=1 puts it on uvloop.
"""

import asyncio
import os
import signal
from typing import TypeAlias

import asyncpg
import grpc
import jwt

from readstate.v1 import system_events_pb2 as pb
from readstate.v1 import system_events_pb2_grpc

Context: TypeAlias = "grpc.aio.ServicerContext[pb.MarkReadRequest, pb.MarkReadResponse]"

STATEMENT = os.environ["BENCH_MARK_READ"]
FIND_MEMBER = "SELECT member_key, org_key FROM member WHERE user_id = $1 AND removed_at IS NULL"


class SystemEventService(system_events_pb2_grpc.SystemEventServiceServicer):
    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        # User id to member; kept for good, which no real service could do.
        self._members: dict[str, tuple[int, int]] = {}

    async def MarkRead(self, request: pb.MarkReadRequest, context: Context) -> pb.MarkReadResponse:
        member_key, org_key = await self._caller(context)
        row = await self._pool.fetchrow(STATEMENT, org_key, member_key, list(request.event_ids))
        assert row is not None
        # `version` is NULL, and refused here, where the member has no cursor: the bench makes them.
        return pb.MarkReadResponse(
            changed_count=row["changed"], matched_count=row["matched"], version=int(row["version"])
        )

    async def _caller(self, context: Context) -> tuple[int, int]:
        metadata = dict(context.invocation_metadata() or ())
        try:
            claims = jwt.decode(
                str(metadata.get("authorization", "")).removeprefix("Bearer "),
                os.environ["BENCH_SECRET"],
                algorithms=["HS256"],
                issuer=os.environ["BENCH_ISSUER"],
                audience=os.environ["BENCH_AUDIENCE"],
                options={"require": ["exp", "sub"]},
            )
        except jwt.InvalidTokenError:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "invalid token")
        user_id = claims["sub"]
        if user_id not in self._members:
            row = await self._pool.fetchrow(FIND_MEMBER, user_id)
            if row is None:
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, "user not found")
            self._members[user_id] = row["member_key"], row["org_key"]
        return self._members[user_id]


async def main() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    connections = int(os.environ["BENCH_CONNECTIONS"])
    async with asyncpg.create_pool(min_size=connections, max_size=connections) as pool:
        server = grpc.aio.server()
        system_events_pb2_grpc.add_SystemEventServiceServicer_to_server(SystemEventService(pool), server)
        server.add_insecure_port(os.environ["BENCH_LISTEN"])
        await server.start()
        await stop.wait()
        await server.stop(1)


if __name__ == "__main__":
    if os.environ.get("BENCH_UVLOOP") == "1":
        import uvloop

        uvloop.run(main())
    else:
        asyncio.run(main())
