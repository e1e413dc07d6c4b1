"""The FastAPI peer: POST /systemevent/read as a plain FastAPI service would do it.

FastAPI on uvicorn and uvloop, an asyncpg pool, one prepared statement a request, and the token verified in each. The
bench hands it the service's own statement.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import asyncpg
import jwt
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from pydantic import BaseModel

STATEMENT = os.environ["BENCH_MARK_READ"]
FIND_MEMBER = "SELECT member_key, org_key FROM member WHERE user_id = $1 AND removed_at IS NULL"

Member = tuple[int, int]
# User id to member; kept for good, which no real service could do.
members: dict[str, Member] = {}


class MarkRead(BaseModel):
    id: int | None = None
    ids: list[int] | None = None


class Done(BaseModel):
    success: bool


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    connections = int(os.environ["BENCH_CONNECTIONS"])
    async with asyncpg.create_pool(min_size=connections, max_size=connections) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


async def caller(request: Request, authorization: Annotated[str, Header()] = "") -> Member:
    try:
        claims = jwt.decode(
            authorization.removeprefix("Bearer "),
            os.environ["BENCH_SECRET"],
            algorithms=["HS256"],
            issuer=os.environ["BENCH_ISSUER"],
            audience=os.environ["BENCH_AUDIENCE"],
            options={"require": ["exp", "sub"]},
        )
    except jwt.InvalidTokenError:
        raise HTTPException(401, "Unauthorized") from None
    user_id = claims["sub"]
    if user_id not in members:
        row = await request.app.state.pool.fetchrow(FIND_MEMBER, user_id)
        if row is None:
            raise HTTPException(401, "Unauthorized")
        members[user_id] = row["member_key"], row["org_key"]
    return members[user_id]


@app.post("/systemevent/read")
async def mark_read(body: MarkRead, request: Request, member: Annotated[Member, Depends(caller)]) -> Done:
    ids = body.ids if body.ids is not None else [] if body.id is None else [body.id]
    if not ids:
        raise HTTPException(400, "Missing or invalid id or ids")
    member_key, org_key = member
    row = await request.app.state.pool.fetchrow(STATEMENT, org_key, member_key, ids)
    assert row["version"] is not None, "no cursor"  # the bench makes them
    return Done(success=True)


if __name__ == "__main__":
    host, port = os.environ["BENCH_LISTEN"].split(":")
    uvicorn.run(app, host=host, port=int(port), log_level="warning", access_log=False)
