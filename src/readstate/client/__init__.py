"""An async client of readstate.

    async with ReadState("readstate.internal:443", token=token, tls=True) as readstate:
        await readstate.mark_read([1, 2, 3])

Every method raises the errors of `readstate.errors`. The docstrings of `ReadState` and its methods say which. An
error's `request_id` is for the people who run the server. A failure that has no type there is a `CallFailed`.
"""

from readstate.client.client import Actor, Entity, ReadState
from readstate.client.failures import CallFailed
from readstate.client.system_events import EventFilter, NewSystemEvent
from readstate.client.transport import TIMEOUT, Token

__all__ = ["TIMEOUT", "Actor", "CallFailed", "Entity", "EventFilter", "NewSystemEvent", "ReadState", "Token"]
