"""The one place that knows the shapes of grpc's handlers. It wraps each in the interceptors as it is registered.

grpc gets no deserialiser. It would decode before the caller is authenticated, and send the text of a failure to the
client. Here decoding is the last step, inside the interceptors.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError

from readstate.errors import Draining, MalformedRequest, UnknownMethod
from readstate.rpc.access import TOKEN, Access
from readstate.rpc.call import Call, Context, Handler, Interceptor, Method, current, current_task
from readstate.rpc.status import status_of

UNKNOWN: Final = Method("unknown", TOKEN, streaming=True)
"""Stands in logs and metrics for a method that does not exist. The name in the request could be any text."""


class Registrar:
    """Given to the generated `add_…Servicer_to_server` in place of the server. Passes on wrapped handlers."""

    def __init__(
        self,
        server: grpc.aio.Server,
        interceptors: Sequence[Interceptor],
        access: Mapping[str, Access],
        lasting: Sequence[Interceptor] = (),
    ) -> None:
        """`lasting`: the interceptors of methods whose access says so, in place of the others."""
        self._server = server
        self._interceptors = interceptors
        self._lasting = lasting
        self._access = access
        self._running = 0
        self._idle = asyncio.Event()
        self._streams: set[asyncio.Task[Any]] = set()
        self._ending = False

    def add_generic_rpc_handlers(self, _: object) -> None:
        """Do nothing: generated code passes the same handlers again, by name, to the next method."""

    def add_registered_method_handlers(
        self, service: str, handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> None:
        """Wrap and register every method of a service.

        Raises:
            KeyError: a method has no row in the access table.
            NotImplementedError: a method has a shape that nothing here wraps.
        """
        wrapped = {name: self._wrap(f"/{service}/{name}", handler) for name, handler in handlers.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, wrapped),))
        # The native engine serves registered methods. It gives streams of requests to a grpcio server of its own, and
        # that one knows generic handlers only.
        if not any(handler.request_streaming for handler in wrapped.values()):
            self._server.add_registered_method_handlers(service, wrapped)

    def refuse_unknown_methods(self) -> None:
        """Answer every method that has no handler, inside the interceptors. Call this last."""

        async def refuse(_: Any, __: Call) -> None:
            raise UnknownMethod

        handler: grpc.RpcMethodHandler[Any, Any] = grpc.stream_stream_rpc_method_handler(self._serving(UNKNOWN, refuse))
        self._server.add_generic_rpc_handlers((_EveryMethod(handler),))

    def end_streams(self) -> None:
        """End open streams. A stopping server would wait for them until its grace is over."""
        self._ending = True
        for task in self._streams:
            task.cancel()

    async def idle(self, seconds: float) -> None:
        """Wait until no handler runs. `stop(grace)` does not wait for the `finally` of aborted handlers."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._running:
                    self._idle.clear()
                    await self._idle.wait()

    def _wrap(self, path: str, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        method = Method(path, self._access[path], handler.request_streaming or handler.response_streaming)
        # The stubs describe the handlers of grpc's synchronous server.
        shape: Any = handler
        decode, encode = partial(_decode, handler.request_deserializer), handler.response_serializer
        if shape.unary_unary:
            serve = self._serving(method, _unary(shape.unary_unary, decode))
            return grpc.unary_unary_rpc_method_handler(serve, response_serializer=encode)
        if inspect.iscoroutinefunction(shape.unary_stream):
            serve = self._serving(method, _unary(shape.unary_stream, decode))
            return grpc.unary_stream_rpc_method_handler(serve, response_serializer=encode)
        if shape.stream_stream:
            serve = self._serving(method, _generator(shape.stream_stream, decode))
            return grpc.stream_stream_rpc_method_handler(serve, response_serializer=encode)
        raise NotImplementedError(f"{path} has a shape that the interceptors do not wrap")

    def _serving(self, method: Method, act: Handler) -> Any:
        chain = act
        for interceptor in reversed(self._lasting if method.access.lasting else self._interceptors):
            chain = partial(interceptor, chain)

        async def serve(request: Any, context: Context) -> Any:
            call = Call.arriving(method, context)
            current.set(call)
            # A success has no other place for it. A failure has it in its details, and none of this.
            context.set_trailing_metadata((("x-request-id", call.request_id),))
            self._running += 1
            try:
                return await chain(request, call)
            finally:
                self._running -= 1
                if not self._running:
                    self._idle.set()

        async def serve_stream(request: Any, context: Context) -> None:
            task = current_task()
            self._streams.add(task)
            try:
                await serve(request, context)
            except asyncio.CancelledError:
                if not self._ending:
                    raise
                task.uncancel()
                await _end(current.get())
            finally:
                self._streams.discard(task)

        return serve_stream if method.streaming else serve


async def _end(call: Call) -> None:
    # grpc sends nothing for a cancelled handler. The call would last until its client ends it.
    status = status_of(Draining(), call.request_id)
    try:
        await call.context.abort(status.code, status.message, status.trailing_metadata)
    except grpc.aio.InternalError:
        # An answer was on its way, to a client that does not read.
        raise asyncio.CancelledError from None


class _EveryMethod(grpc.GenericRpcHandler):
    def __init__(self, handler: grpc.RpcMethodHandler[Any, Any]) -> None:
        self._handler = handler

    def service(self, _: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        return self._handler


def _decode(deserializer: Callable[[bytes], Any] | None, data: bytes) -> Any:
    if deserializer is None:
        return data
    try:
        return deserializer(data)
    except DecodeError:
        # `from None`: the parser's message may quote the bytes.
        raise MalformedRequest from None


def _unary(behavior: Callable[[Any, Context], Awaitable[Any]], decode: Callable[[bytes], Any]) -> Handler:
    async def act(request: Any, call: Call) -> Any:
        return await behavior(decode(request), call.context)

    return act


def _generator(
    behavior: Callable[[AsyncIterator[Any], Context], AsyncIterator[Any]], decode: Callable[[bytes], Any]
) -> Handler:
    async def act(requests: AsyncIterator[bytes], call: Call) -> None:
        decoded = (decode(request) async for request in requests)
        async for response in behavior(decoded, call.context):
            await call.context.write(response)

    return act
