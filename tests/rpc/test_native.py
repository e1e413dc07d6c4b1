"""What the native engine needs of us, and what it cannot do."""

import asyncio
import threading
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import grpc
import pygrpc_native.aio
import pytest

from readstate.config import ServerSettings, load
from readstate.errors import StartupError
from readstate.rpc.interceptors import Limiter
from readstate.rpc.native import NativeServer
from readstate.server import app
from readstate.telemetry.metrics import Metrics
from tests.rpc.wire import failure
from tests.unread.unread_client import UnreadClient
from tests.waiting import until

REQUIRED = {
    "database_url": "postgresql://127.0.0.1/readstate",
    "token_issuer": "i",
    "token_audience": "a",
    "token_secret": "s" * 32,
}


async def _left_behind(server: Any, *, within: float) -> int:
    """Calls that stay in the server's table after 100 whose deadline has passed while the loop was stalled.

    `within`: seconds that they have to leave it.
    """

    async def answer(request: bytes, _: Any) -> bytes:
        return request

    handlers: dict[str, Any] = {"Say": grpc.unary_unary_rpc_method_handler(answer)}
    server.add_registered_method_handlers("test.Echo", handlers)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        await asyncio.to_thread(_expire_calls, port, asyncio.get_running_loop())
        with suppress(TimeoutError):
            await until(lambda: not server._calls, within=within)
        return len(server._calls)
    finally:
        server._calls.clear()
        await server.stop(None)


def _expire_calls(port: int, loop: asyncio.AbstractEventLoop) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        say: Any = channel.unary_unary("/test.Echo/Say")
        assert say(b"hello", timeout=30) == b"hello"
        expired = threading.Event()
        loop.call_soon_threadsafe(expired.wait)
        calls = [say.future(b"late", timeout=0.1) for _ in range(100)]
        codes = {call.code() for call in calls}
        expired.set()
        assert codes == {grpc.StatusCode.DEADLINE_EXCEEDED}


async def test_calls_that_expired_in_a_stalled_loop_are_forgotten() -> None:
    assert await _left_behind(NativeServer(), within=30) == 0


async def test_the_library_alone_still_keeps_them() -> None:
    """Where this fails, the library has mended it: `_on_events` can go."""
    assert await _left_behind(pygrpc_native.aio.server(), within=2) > 0


async def _lost_at_the_end(server: Any) -> int:
    """Calls that were not told what was answered while the server stopped, of 40 on four connections."""
    arrived, answers = asyncio.Semaphore(0), asyncio.Event()

    async def answer(request: bytes, _: Any) -> bytes:
        arrived.release()
        await answers.wait()
        return request

    handlers: dict[str, Any] = {"Say": grpc.unary_unary_rpc_method_handler(answer)}
    server.add_registered_method_handlers("test.Echo", handlers)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with AsyncExitStack() as channels:
        calls = []
        for _ in range(4):
            options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
            channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options)
            say: Any = (await channels.enter_async_context(channel)).unary_unary("/test.Echo/Say")
            calls += [asyncio.ensure_future(say(b"hello" * 1000)) for _ in range(10)]
        for _ in range(40):
            await arrived.acquire()
        stopped = asyncio.create_task(server.stop(5))
        await asyncio.sleep(0.01)
        answers.set()
        results = await asyncio.gather(*calls, return_exceptions=True)
        await stopped
    return sum(isinstance(result, BaseException) for result in results)


async def test_what_is_answered_while_it_stops_arrives() -> None:
    assert [await _lost_at_the_end(NativeServer()) for _ in range(10)] == [0] * 10


async def test_the_library_alone_still_loses_answers() -> None:
    """Where this fails, the library has mended it: NativeServer.stop can go."""
    for _ in range(100):
        if await _lost_at_the_end(pygrpc_native.aio.server()):
            return
    pytest.fail("no answer was lost in 100 stops")


async def test_with_a_full_limiter_it_refuses_calls_before_they_have_a_task() -> None:
    limiter, entered, leave = Limiter(2, Metrics()), asyncio.Semaphore(0), asyncio.Event()

    async def answer(request: bytes, _: Any) -> bytes:
        entered.release()
        await leave.wait()
        return request

    server = NativeServer(limiter)
    handlers: dict[str, Any] = {"MarkRead": grpc.unary_unary_rpc_method_handler(answer)}
    server.add_registered_method_handlers("readstate.v1.SystemEventService", handlers)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        mark: Any = channel.unary_unary("/readstate.v1.SystemEventService/MarkRead")
        served = [asyncio.ensure_future(mark(b"")) for _ in range(2)]
        for _ in served:
            await entered.acquire()
        for _ in range(20):
            found = await failure(mark(b"", metadata=(("x-request-id", "r"),)))
            assert (found.reason, found.retry_seconds, found.request_id) == ("OVERLOADED", 1.0, "r")
        leave.set()
        assert await asyncio.gather(*served, mark(b"")) == [b""] * 3
    await server.stop(1)


async def test_without_a_folder_for_its_socket_it_says_so_in_one_line(
    settings: ServerSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for folder in tmp_path / "nowhere", tmp_path / ("long" * 30):
        if folder.name != "nowhere":
            folder.mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(folder))
        with pytest.raises(StartupError, match=r"^READSTATE_ENGINE=native needs a folder for a socket"):
            async with app.running_server(settings.model_copy(update={"engine": "native"})):
                pass


@pytest.mark.parametrize(
    ("setting", "value"), [("max_connection_age", 60), ("tls_cert", "cert.pem")], ids=["connection age", "TLS"]
)
def test_what_the_engine_cannot_do_is_refused_at_the_start(setting: str, value: Any) -> None:
    values = REQUIRED | {setting: value} | ({"tls_key": "key.pem"} if setting == "tls_cert" else {})
    with pytest.raises(StartupError, match="READSTATE_ENGINE=native"):
        load(ServerSettings, engine="native", **values)


async def _reads_beside_full_streams(server: Any, *, within: float) -> int:
    """Messages, at most 500, that a client reads in so many seconds, while 40 streams of another client are full."""

    async def pour(_: bytes, context: Any) -> None:
        while True:
            await context.write(bytes(30_000))
            await asyncio.sleep(0)

    handlers: dict[str, Any] = {"Pour": grpc.unary_stream_rpc_method_handler(pour)}
    server.add_registered_method_handlers("test.Echo", handlers)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    read = 0
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        pouring: Any = channel.unary_stream("/test.Echo/Pour")
        async with UnreadClient(port, "", streams=40, path="/test.Echo/Pour"):
            await until(lambda: len(server._calls) == 40)
            await asyncio.sleep(1)
            healthy = pouring(b"")
            with suppress(TimeoutError):
                async with asyncio.timeout(within):
                    while read < 500:
                        await healthy.read()
                        read += 1
            healthy.cancel()
        await until(lambda: not server._calls)
    await server.stop(0)
    return read


async def test_clients_that_do_not_read_stop_nobody_else() -> None:
    assert await _reads_beside_full_streams(NativeServer(), within=30) == 500


async def test_the_library_alone_still_lets_them() -> None:
    """Where this fails, the library has mended it: the wait in NativeServer._send can go."""
    assert await _reads_beside_full_streams(pygrpc_native.aio.server(), within=2) < 500


async def _writes_after_the_client_has_left(server: Any) -> int:
    """How often a handler that only writes can do so without the loop's leave, at most 10,000 times."""
    written, ended = 0, asyncio.Event()

    async def pour(_: bytes, context: Any) -> None:
        nonlocal written
        try:
            await context.write(b"first")
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()  # until the client has left
            while written < 10_000:
                await context.write(b"more")
                written += 1
        finally:
            ended.set()

    handlers: dict[str, Any] = {"Pour": grpc.unary_stream_rpc_method_handler(pour)}
    server.add_registered_method_handlers("test.Echo", handlers)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        pouring: Any = channel.unary_stream("/test.Echo/Pour")
        call = pouring(b"")
        await call.read()
        call.cancel()
        async with asyncio.timeout(30):
            await ended.wait()
    await server.stop(0)
    return written


async def test_a_write_to_a_client_that_has_left_fails() -> None:
    assert await _writes_after_the_client_has_left(NativeServer()) == 0


async def test_the_library_alone_still_lets_such_writes_succeed() -> None:
    """Where this fails, the library has mended it: the error of NativeServer._send can go."""
    assert await _writes_after_the_client_has_left(pygrpc_native.aio.server()) == 10_000
