"""What the gateway's calls do without, and what they keep of grpc.aio's."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty

from readstate.gateway import unary


class Echo:
    """A server that answers, refuses, or keeps its callers waiting."""

    def __init__(self) -> None:
        self.left = asyncio.Event()

    async def answer(self, request: bytes, context: Any) -> bytes:
        context.set_trailing_metadata((("told", "last"),))
        return request

    async def refuse(self, _: bytes, context: Any) -> bytes:
        await context.abort(grpc.StatusCode.NOT_FOUND, "not here", (("told", "last"),))
        raise AssertionError

    async def wait(self, _: bytes, __: Any) -> bytes:
        try:
            await asyncio.Event().wait()
        finally:
            self.left.set()
        raise AssertionError


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def channel(echo: Echo) -> AsyncIterator[grpc.aio.Channel]:
    server = grpc.aio.server()
    handlers: Any = {
        name: grpc.unary_unary_rpc_method_handler(getattr(echo, name)) for name in ("answer", "refuse", "wait")
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(None)


def method(channel: grpc.aio.Channel, name: str) -> Any:
    return channel.unary_unary(
        f"/test.Echo/{name}", request_serializer=Empty.SerializeToString, response_deserializer=Empty.FromString
    )


async def called(method: Any, *, seconds: float = 5) -> unary.Reply:
    return await unary.call(method, Empty(), seconds=seconds, metadata=(("x-request-id", "1"),))


async def test_a_reply_has_its_message_and_its_trailing_metadata(channel: grpc.aio.Channel) -> None:
    reply = await called(method(channel, "answer"))
    assert reply.message == Empty()
    assert ("told", "last") in reply.trailing_metadata


async def test_a_failure_is_told_as_grpc_aio_tells_it(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await called(method(channel, "refuse"))
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.NOT_FOUND, "not here")
    assert dict(caught.value.trailing_metadata())["told"] == "last"


async def test_a_call_ends_with_its_time(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await called(method(channel, "wait"), seconds=0.05)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_cancelled_call_ends_at_the_server_too(channel: grpc.aio.Channel, echo: Echo) -> None:
    task = asyncio.create_task(called(method(channel, "wait")))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(2):
        await echo.left.wait()


class Answer:
    """A reply that can be watched: messages have no weak references."""

    def __init__(self, _: bytes) -> None: ...


@pytest.fixture
def _no_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_collection")
async def test_a_reply_is_freed_without_a_garbage_collection(channel: grpc.aio.Channel) -> None:
    answer = channel.unary_unary(
        "/test.Echo/answer", request_serializer=Empty.SerializeToString, response_deserializer=Answer
    )
    ours = weakref.ref((await called(answer)).message)
    # If the library frees its own as well, half of the reason for `gateway/unary.py` is gone.
    theirs = weakref.ref(await answer(Empty(), timeout=5))

    assert ours() is None
    assert theirs() is not None
