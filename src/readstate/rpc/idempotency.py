"""Idempotency keys: a handler wraps its effect in `once`, and the effect happens once."""

import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from google.protobuf.message import Message

from readstate.errors import InvalidRequest
from readstate.model import KeyedRequest
from readstate.rpc.call import Call, count, current
from readstate.store.idempotency import IdempotencyStore, Reply

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
        keyed = self.keyed(request)
        if keyed is None:
            return await act()

        async def act_to_bytes() -> bytes:
            return (await act()).SerializeToString(deterministic=True)

        return self.replied(await self._replies.once(keyed, act_to_bytes), reply_type)

    def keyed(self, request: Message) -> KeyedRequest | None:
        """What the call's key and request are to a store, or None for a call without a key.

        Raises:
            InvalidRequest: the key is not valid.
        """
        call = current.get()
        key = _key(call)
        return None if key is None else _keyed(call, key, request)

    def replied(self, reply: Reply, reply_type: type[M]) -> M:
        """The reply that a store has kept or found. Tells the caller which."""
        if reply.replayed:
            context = current.get().context
            context.set_trailing_metadata((*context.trailing_metadata(), ("idempotent-replayed", "true")))
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
