"""The native engine: pygrpc-native, a Rust HTTP/2 front below the same servicers and interceptors.

docs/decisions/0006-native-engine.md says what it gains, what it lacks and how to leave it. The version is pinned,
because this module knows the inside of its server.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any

import pygrpc_native.aio
from pygrpc_native import EVENT_CANCEL


class NativeServer(pygrpc_native.aio.Server):
    """pygrpc-native's server, without its leak.

    A call that ends before its task's first step (its deadline passed while the loop was busy) runs none of the code
    that would take it out of the server's table, and stayed there for ever: 300 of 300 in a stalled loop.
    """

    def _on_events(self, events: list[tuple[Any, ...]]) -> None:
        super()._on_events(events)
        self._forget_when_done(call_id for kind, call_id, *_ in events if kind == EVENT_CANCEL)

    def _forget_when_done(self, call_ids: Iterable[int]) -> None:
        for call_id in call_ids:
            call = self._calls.get(call_id)
            if call is not None and call.task is not None:
                call.task.add_done_callback(partial(self._forget, call_id))

    def _forget(self, call_id: int, _: object) -> None:
        self._calls.pop(call_id, None)
