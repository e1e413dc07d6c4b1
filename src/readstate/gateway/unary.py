"""One call to the server and its reply, without what grpc.aio does around them.

grpc.aio makes a task for each call, and keeps the call in a set. It leaves 21 objects that refer to each other, so they
wait for a garbage collection, and the reply with them. docs/decisions/0012-hot-path.md says what that cost.

This module uses private parts of grpcio: docs/decisions/0013-grpcio.md says which, and what guards them.
"""

import asyncio
import time
from typing import Any, NamedTuple

from google.protobuf.message import Message
from grpc.aio import _call


class Reply(NamedTuple):
    message: Any
    trailing_metadata: tuple[tuple[str, str | bytes], ...]


async def call(method: Any, request: Message, *, seconds: float, metadata: tuple[tuple[str, str], ...]) -> Reply:
    """Call `method` of a stub. It ends after `seconds`, or when the task is cancelled.

    Raises:
        AioRpcError: the call failed.
    """
    inner = method._channel.call(method._method, time.time() + seconds, None, None)
    try:
        reply = await inner.unary_unary(method._request_serializer(request), metadata)
    except asyncio.CancelledError:
        inner.cancel("the client has gone")
        raise
    if not inner.is_ok():
        raise _call._create_rpc_error(inner._initial_metadata, inner._status)
    return Reply(method._response_deserializer(reply), inner._status.trailing_metadata())
