"""The call being served: what its metadata said, who is calling, and what there is to log of it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import grpc

from readstate.model import Claims, Member
from readstate.rpc.access import Access
from readstate.telemetry import logs
from readstate.telemetry.trace_context import TraceContext

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


@dataclass(frozen=True, slots=True)
class Method:
    """What is known of a method when it is registered."""

    path: str
    """As gRPC spells it: `/package.Service/Method`."""
    access: Access
    streaming: bool
    name: str = field(init=False)
    """For logs and metrics: `Service/Method`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.path.rpartition(".")[2])


@dataclass(slots=True)
class Call:
    """One call. Only the interceptors and `count` change it."""

    method: Method
    context: Context
    authorizations: list[str | bytes]
    idempotency_keys: list[str | bytes]
    request_id: str
    trace: TraceContext | None = None
    """The trace that it is a part of, recorded or not."""
    claims: Claims | None = None
    member: Member | None = None
    code: grpc.StatusCode = grpc.StatusCode.OK
    """How it has ended, as the access log says."""
    expired: bool = False
    """Whether its time is over."""
    counts: dict[str, int] = field(default_factory=dict)

    @classmethod
    def arriving(cls, method: Method, context: Context) -> "Call":
        """Read the metadata, once."""
        authorizations: list[str | bytes] = []
        idempotency_keys: list[str | bytes] = []
        request_id: str | None = None
        parent: str | None = None
        state: str | None = None
        for key, value in context.invocation_metadata() or ():
            if key == "authorization":
                authorizations.append(value)
            elif key == "idempotency-key":
                idempotency_keys.append(value)
            elif key == "x-request-id" and isinstance(value, str):
                request_id = value
            elif key == "traceparent" and isinstance(value, str):
                parent = value
            elif key == "tracestate" and isinstance(value, str):
                state = value
        trace = TraceContext.read(parent, state)
        return cls(method, context, authorizations, idempotency_keys, logs.request_id(request_id), trace)


current: Final[ContextVar[Call]] = ContextVar("readstate_call")


def count(**counts: int) -> None:
    """Numbers for the call's log line."""
    current.get().counts.update(counts)


Handler: TypeAlias = Callable[[Any, Call], Awaitable[Any]]
Interceptor: TypeAlias = Callable[[Handler, Any, Call], Awaitable[Any]]


def current_task(loop: asyncio.AbstractEventLoop | None = None) -> "asyncio.Task[Any]":
    """The task of the call being served."""
    task = asyncio.current_task(loop)
    assert task is not None, "a coroutine that runs is in a task"  # noqa: S101
    return task


def cancelled_from_outside() -> bool:
    """Whether somebody has cancelled the call's task. A library's own CancelledError does not do that."""
    return current_task().cancelling() > 0
