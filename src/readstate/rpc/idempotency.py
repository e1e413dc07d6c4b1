"""Idempotency keys: a handler wraps its effect in `once`, and the effect happens once."""

import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from google.protobuf.message import Message

from readstate.errors import InvalidRequest
from readstate.model import KeyedRequest
from readstate.rpc.call import Call, count, current
from readstate.store.idempotency import IdempotencyStore

_KEY: Final = re.compile(r"[\x20-\x7e]{1,255}", re.ASCII)

M = TypeVar("M", bound=Message)


class Idempotency:
    """Honours the metadata `idempotency-key`. NotificationService's proto states the rules."""

    def __init__(self, replies: IdempotencyStore) -> None:
        self._replies = replies

    async def once(self, request: Message, reply_type: type[M], act: Callable[[], Awaitable[M]]) -> M:
        """Do `act`. If an earlier call with the same key has done it, return the reply of that call.

        With a key, the work of `act` in the database and the kept reply are one transaction.

        Raises:
            InvalidRequest: the key is not valid.
            IdempotencyKeyReused, IdempotencyKeyInUse: as IdempotencyStore.once.
        """
        call = current.get()
        key = _key(call)
        if key is None:
            return await act()

        async def act_to_bytes() -> bytes:
            return (await act()).SerializeToString(deterministic=True)

        reply = await self._replies.once(_keyed(call, key, request), act_to_bytes)
        if reply.replayed:
            call.context.set_trailing_metadata((("idempotent-replayed", "true"),))
            count(replayed=1)
        return reply_type.FromString(reply.content)


def _key(call: Call) -> str | None:
    if not call.idempotency_keys:
        return None
    key = call.idempotency_keys[0]
    if len(call.idempotency_keys) != 1 or not isinstance(key, str) or not _KEY.fullmatch(key):
        raise InvalidRequest("idempotency-key", "must be one value of 1 to 255 printable ASCII characters")
    return key


def _keyed(call: Call, key: str, request: Message) -> KeyedRequest:
    assert call.claims is not None, "a method that honours keys demands a token"  # noqa: S101
    # Serialised again: two encodings of one request may have the entries of a map in another order.
    content = request.SerializeToString(deterministic=True)
    return KeyedRequest(
        user_id=call.claims.user_id,
        org_key=call.member.org_key if call.member else None,
        key=key,
        fingerprint=hashlib.sha256(call.method.path.encode() + b"\0" + content).digest(),
    )
