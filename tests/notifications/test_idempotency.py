"""Idempotency keys: one effect, one reply, whatever goes wrong."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct

from readstate import config
from readstate.config import RetentionSettings, ServerSettings
from readstate.errors import DatabaseUnavailable, IdempotencyKeyInUse, IdempotencyKeyReused, OutOfTime
from readstate.model import KeyedRequest
from readstate.server import app, upkeep
from readstate.store import idempotency
from readstate.store.idempotency import IdempotencyStore
from readstate.store.notifications.store import NotificationStore
from readstate.store.pool import Connection, Database
from readstate.v1 import notifications_pb2 as pb
from readstate.v1 import system_events_pb2
from tests.notifications.conftest import Caller, CallerFor
from tests.notifications.rules import CONTENT, members, one_waits_for_a_lock

REQUEST = KeyedRequest(user_id="ada", org_key=1, key="key", fingerprint=b"a request")
ACTIONS = ("MarkNotificationSeen", "MarkNotificationRead", "DismissNotification")


def creation(title: str = "Hello") -> pb.CreateNotificationsRequest:
    return pb.CreateNotificationsRequest(
        org_id="acme", user_ids=["ada", "nobody"], category="chat.message", title=title
    )


def code_and_reason(error: grpc.aio.AioRpcError) -> tuple[grpc.StatusCode, bytes]:
    metadata: dict[str, Any] = dict(error.trailing_metadata() or ())
    details = bytes(metadata["grpc-status-details-bin"])
    reasons = (b"IDEMPOTENCY_KEY_REUSED", b"IDEMPOTENCY_KEY_IN_USE", b"NOTIFICATION_NOT_FOUND", b"idempotency-key")
    return error.code(), next((reason for reason in reasons if reason in details), details)


# ── What a caller sees ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_same_request_again_is_answered_with_the_stored_reply(ada: Caller, messenger: Caller) -> None:
    first = await messenger.reply("CreateNotifications", creation(), "key")
    again = await messenger.reply("CreateNotifications", creation(), "key")

    assert not first.replayed
    assert again.replayed
    assert again.message == first.message
    assert len(first.message.ids) == 1
    assert (await ada.call("GetUnreadSummary")).unseen_count == 1


@pytest.mark.parametrize("method", ACTIONS)
async def test_an_action_is_answered_as_it_was_whatever_happened_since(
    ada: Caller, messenger: Caller, method: str
) -> None:
    (notification_id,) = await messenger.notify("ada")
    request = getattr(pb, f"{method}Request")(id=notification_id)
    first = await ada.reply(method, request, "key")
    await ada.call("DismissNotification", id=notification_id)

    again = await ada.reply(method, request, "key")

    assert again.replayed
    assert again.message.SerializeToString() == first.message.SerializeToString()
    without = await ada.reply(method, request)
    assert not without.replayed
    assert without.message.notification.status == pb.NOTIFICATION_STATUS_DISMISSED


async def test_marking_all_counts_once(ada: Caller, messenger: Caller) -> None:
    await messenger.notify("ada")
    first = await ada.call("MarkAllNotificationsSeen", key="key")
    await messenger.notify("ada")
    again = await ada.call("MarkAllNotificationsSeen", key="key")

    assert first.changed_count == again.changed_count == 1
    assert (await ada.call("GetUnreadSummary")).unseen_count == 1


async def test_events_without_ids_are_recorded_once(members: None, messenger: Caller) -> None:
    def request(order: int) -> system_events_pb2.RecordSystemEventsRequest:
        payload = Struct()
        # Maps have no order: two encodings of one request are one request.
        payload.update(dict(list({"a": 1, "b": 2, "c": 3}.items())[::order]))
        event = system_events_pb2.NewSystemEvent(type="x", payload=payload)
        return system_events_pb2.RecordSystemEventsRequest(org_id="acme", events=[event])

    first = await messenger.reply("RecordSystemEvents", request(1), "key")
    again = await messenger.reply("RecordSystemEvents", request(-1), "key")
    other = await messenger.reply("RecordSystemEvents", request(1), "another key")

    assert again.replayed
    assert again.message == first.message
    assert other.message.event_ids[0] == first.message.event_ids[0] + 1


async def test_a_key_that_belongs_to_another_request_is_refused(members: None, messenger: Caller) -> None:
    await messenger.reply("CreateNotifications", creation(), "key")

    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await messenger.reply("CreateNotifications", creation("Bye"), "key")

    assert code_and_reason(raised.value) == (grpc.StatusCode.FAILED_PRECONDITION, b"IDEMPOTENCY_KEY_REUSED")


async def test_the_method_is_part_of_the_request(ada: Caller, messenger: Caller) -> None:
    (notification_id,) = await messenger.notify("ada")
    await ada.call("MarkNotificationSeen", key="key", id=notification_id)

    error = await ada.error("MarkNotificationRead", "key", id=notification_id)

    assert code_and_reason(error) == (grpc.StatusCode.FAILED_PRECONDITION, b"IDEMPOTENCY_KEY_REUSED")


async def test_a_key_belongs_to_its_caller(ada: Caller, grace: Caller, messenger: Caller) -> None:
    (adas, graces) = await messenger.notify("ada", "grace")

    assert (await ada.call("MarkNotificationSeen", key="key", id=adas)).notification.id == adas
    assert (await grace.call("MarkNotificationRead", key="key", id=graces)).notification.id == graces


async def test_a_key_belongs_to_its_callers_organisation(
    ada: Caller, messenger: Caller, producer: Any, caller_for: CallerFor
) -> None:
    request = pb.MarkAllNotificationsSeenRequest()
    await ada.reply("MarkAllNotificationsSeen", request, "key")
    await producer.upsert_members({"ada": "globex"})
    await messenger.notify("ada", org_id="globex")

    reply = await ada.reply("MarkAllNotificationsSeen", request, "key")

    assert not reply.replayed
    assert reply.message.changed_count == 1


@pytest.mark.parametrize("keys", [[""], ["k" * 256], ["k", "k"], ["k", "other"]])
async def test_a_key_that_is_not_valid_is_named(ada: Caller, messenger: Caller, keys: list[str]) -> None:
    (notification_id,) = await messenger.notify("ada")

    for method in ACTIONS:
        error = await ada.error(method, *keys, id=notification_id)
        assert code_and_reason(error) == (grpc.StatusCode.INVALID_ARGUMENT, b"idempotency-key")
    assert (await ada.call("GetUnreadSummary")).unseen_count == 1


@pytest.mark.parametrize("key", ["k", "k" * 255, "a key of ~!@#$%^&*()"])
async def test_any_printable_key_is_a_key(ada: Caller, messenger: Caller, key: str) -> None:
    (notification_id,) = await messenger.notify("ada")
    request = pb.MarkNotificationSeenRequest(id=notification_id)

    assert not (await ada.reply("MarkNotificationSeen", request, key)).replayed
    assert (await ada.reply("MarkNotificationSeen", request, key)).replayed


async def test_the_requests_own_fields_are_judged_before_the_key(ada: Caller) -> None:
    error = await ada.error("MarkNotificationSeen", "k" * 256, include=["recipient"])

    assert code_and_reason(error)[0] == grpc.StatusCode.INVALID_ARGUMENT
    assert b"idempotency-key" not in code_and_reason(error)[1]


async def test_methods_that_honour_no_key_take_no_notice_of_one(ada: Caller, messenger: Caller) -> None:
    (notification_id,) = await messenger.notify("ada")

    for key in "key", "k" * 256:
        assert not (await ada.reply("GetNotification", pb.GetNotificationRequest(id=notification_id), key)).replayed


async def test_an_error_leaves_the_key_free(ada: Caller, messenger: Caller) -> None:
    error = await ada.error("MarkNotificationSeen", "key", id="nf_000000000000")
    assert code_and_reason(error) == (grpc.StatusCode.NOT_FOUND, b"NOTIFICATION_NOT_FOUND")

    (notification_id,) = await messenger.notify("ada")
    reply = await ada.reply("MarkNotificationSeen", pb.MarkNotificationSeenRequest(id=notification_id), "key")
    assert not reply.replayed


async def test_a_key_in_flight_is_told_at_once(ada: Caller, messenger: Caller, database: Database) -> None:
    (notification_id,) = await messenger.notify("ada")
    request = pb.MarkNotificationSeenRequest(id=notification_id)
    async with database._pool.acquire() as connection, connection.transaction():
        await connection.fetch("SELECT FROM notification FOR UPDATE")
        first = asyncio.create_task(ada.reply("MarkNotificationSeen", request, "key"))
        await one_waits_for_a_lock(database)
        error = await asyncio.wait_for(ada.error("MarkNotificationSeen", "key", id=notification_id), 3)

    assert code_and_reason(error) == (grpc.StatusCode.ABORTED, b"IDEMPOTENCY_KEY_IN_USE")
    stored = await first
    assert (await ada.reply("MarkNotificationSeen", request, "key")).message == stored.message


async def test_a_thousand_calls_over_fifty_keys_have_fifty_effects(
    members: None, ada: Caller, messenger: Caller
) -> None:
    outcomes: Counter[str] = Counter()

    async def call(number: int) -> tuple[int, str]:
        key = number % 50
        while True:
            try:
                reply = await messenger.reply("CreateNotifications", creation(str(key)), str(key))
            except grpc.aio.AioRpcError as error:
                # In flight, or no connection of the pool in time: what a client tries again.
                if error.code() not in (grpc.StatusCode.ABORTED, grpc.StatusCode.UNAVAILABLE):
                    raise
                outcomes[error.code().name] += 1
                await asyncio.sleep(0.02)
            else:
                outcomes["replayed" if reply.replayed else "acted"] += 1
                return key, reply.message.ids[0]

    replies = await asyncio.gather(*(call(number) for number in range(1000)))

    assert outcomes["acted"] == 50
    assert outcomes["replayed"] == 950
    assert len(set(replies)) == 50
    assert (await ada.call("GetUnreadSummary")).unseen_count == 50


# ── When things go wrong ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def keys(database: Database) -> IdempotencyStore:
    return IdempotencyStore(database)


def effect(store: NotificationStore, member: Any, *, then: Callable[[], Awaitable[Any]] | None = None) -> Any:
    async def act() -> bytes:
        (notification_id,) = await store.create([member], CONTENT)
        if then is not None:
            await then()
        return notification_id.encode()

    return act


async def test_a_crash_between_claim_and_commit_leaves_the_key_free(
    database: Database, store: NotificationStore, keys: IdempotencyStore
) -> None:
    ada = (await members(database))["ada"]

    async def crash() -> None:
        await database.rows("SELECT pg_terminate_backend(pg_backend_pid())", repeatable=False)

    with pytest.raises(DatabaseUnavailable):
        await keys.once(REQUEST, effect(store, ada, then=crash))
    assert (await store.unread_summary(ada)).unread == 0

    reply = await keys.once(REQUEST, effect(store, ada))

    assert not reply.replayed
    assert (await store.unread_summary(ada)).unread == 1


async def test_a_call_that_is_given_up_leaves_the_key_free(
    database: Database, store: NotificationStore, keys: IdempotencyStore
) -> None:
    ada = (await members(database))["ada"]
    effective = asyncio.Event()

    async def hang() -> None:
        effective.set()
        await asyncio.Event().wait()

    call = asyncio.create_task(keys.once(REQUEST, effect(store, ada, then=hang)))
    await effective.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    assert not (await keys.once(REQUEST, effect(store, ada))).replayed
    assert (await store.unread_summary(ada)).unread == 1


async def test_a_failing_statement_leaves_the_key_free(
    database: Database, store: NotificationStore, keys: IdempotencyStore
) -> None:
    ada = (await members(database))["ada"]

    async def slow() -> None:
        await database.rows("SET LOCAL statement_timeout = 10", repeatable=False)
        await database.rows("SELECT pg_sleep(1)", repeatable=False)

    with pytest.raises(OutOfTime):
        await keys.once(REQUEST, effect(store, ada, then=slow))

    assert not (await keys.once(REQUEST, effect(store, ada))).replayed
    assert (await store.unread_summary(ada)).unread == 1


async def test_a_lost_connection_is_tried_again(
    database: Database, store: NotificationStore, keys: IdempotencyStore
) -> None:
    ada = (await members(database))["ada"]
    crashes = iter([True, False])

    async def crash_once() -> None:
        if next(crashes):
            await database.rows("SELECT pg_terminate_backend(pg_backend_pid())", repeatable=False)

    reply = await keys.once(REQUEST, effect(store, ada, then=crash_once))

    assert not reply.replayed
    assert (await store.unread_summary(ada)).unread == 1


async def test_a_commit_whose_answer_is_lost_is_found_and_is_no_replay(
    database: Database, store: NotificationStore, keys: IdempotencyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = (await members(database))["ada"]
    once = Database._once
    losses = iter([True])

    async def lose_one_answer(self: Database, work: Any) -> Any:
        result = await once(self, work)
        if work.__name__ == "joined" and next(losses, False):
            raise ConnectionLost
        return result

    from readstate.store.failures import ConnectionLost

    monkeypatch.setattr(Database, "_once", lose_one_answer)

    reply = await keys.once(REQUEST, effect(store, ada))

    assert not reply.replayed
    assert (await store.unread_summary(ada)).unread == 1
    assert (await keys.once(REQUEST, effect(store, ada))).replayed


async def test_a_key_taken_by_another_session_is_not_waited_for(
    database: Database, store: NotificationStore, keys: IdempotencyStore
) -> None:
    ada = (await members(database))["ada"]
    running, go_on = asyncio.Event(), asyncio.Event()

    async def pause() -> None:
        running.set()
        await go_on.wait()

    first = asyncio.create_task(keys.once(REQUEST, effect(store, ada, then=pause)))
    await running.wait()
    with pytest.raises(IdempotencyKeyInUse):
        await keys.once(REQUEST, effect(store, ada))
    go_on.set()
    stored = await first

    assert (await keys.once(REQUEST, effect(store, ada))).content == stored.content


async def test_a_claim_just_after_anothers_commit_finds_its_reply(
    database: Database, store: NotificationStore, keys: IdempotencyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = (await members(database))["ada"]
    running, go_on, committed = asyncio.Event(), asyncio.Event(), asyncio.Event()
    claim = idempotency.claim

    async def pause() -> None:
        running.set()
        await go_on.wait()

    async def claim_late(connection: Connection, requests: Sequence[KeyedRequest]) -> Any:
        go_on.set()
        await committed.wait()
        return await claim(connection, requests)

    first = asyncio.create_task(keys.once(REQUEST, effect(store, ada, then=pause)))
    await running.wait()
    monkeypatch.setattr(idempotency, "claim", claim_late)
    second = asyncio.create_task(keys.once(REQUEST, effect(store, ada)))
    await first
    committed.set()

    assert (await second).replayed
    assert (await store.unread_summary(ada)).unread == 1


# ── For a day ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _age(database: Database, interval: str) -> None:
    await database.rows(f"UPDATE idempotency_key SET kept_at = kept_at - interval '{interval}'", repeatable=True)


async def test_a_reply_is_kept_for_a_day(database: Database, store: NotificationStore, keys: IdempotencyStore) -> None:
    ada = (await members(database))["ada"]
    await keys.once(REQUEST, effect(store, ada))

    await _age(database, "23 hours 59 minutes")
    assert (await keys.once(REQUEST, effect(store, ada))).replayed
    await _age(database, "1 minute")
    assert not (await keys.once(REQUEST, effect(store, ada))).replayed
    assert (await keys.once(REQUEST, effect(store, ada))).replayed


async def test_an_expired_key_may_name_another_request(
    database: Database, store: NotificationStore, keys: IdempotencyStore
) -> None:
    ada = (await members(database))["ada"]
    other = KeyedRequest(user_id="ada", org_key=1, key="key", fingerprint=b"another request")
    await keys.once(REQUEST, effect(store, ada))
    with pytest.raises(IdempotencyKeyReused):
        await keys.once(other, effect(store, ada))
    await _age(database, "1 day")

    assert not (await keys.once(other, effect(store, ada))).replayed


async def test_only_expired_keys_are_swept_batch_by_batch(
    database: Database, store: NotificationStore, keys: IdempotencyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("readstate.store.idempotency.KEYS_PER_BATCH", 2)
    ada = (await members(database))["ada"]
    requests = [KeyedRequest(user_id="ada", org_key=1, key=str(n), fingerprint=b"") for n in range(7)]
    for request in requests[:5]:
        await keys.once(request, effect(store, ada))
    await _age(database, "1 day")
    for request in requests[5:]:
        await keys.once(request, effect(store, ada))

    assert await keys.sweep() == 5
    assert await keys.sweep() == 0
    assert (await keys.once(requests[5], effect(store, ada))).replayed


async def test_prune_deletes_what_has_expired(
    settings: ServerSettings, database: Database, store: NotificationStore, keys: IdempotencyStore
) -> None:
    await keys.once(REQUEST, effect(store, (await members(database))["ada"]))
    await _age(database, "1 day")

    chosen = config.load(RetentionSettings, database_url=settings.database_url)
    assert (await upkeep.prune(chosen, dry_run=True)).expired_keys == 1
    assert (await upkeep.prune(chosen, dry_run=False)).expired_keys == 1
    assert (await upkeep.prune(chosen, dry_run=True)).expired_keys == 0


async def test_the_command_prune_says_how_many(
    database_url: str, database: Database, store: NotificationStore, keys: IdempotencyStore
) -> None:
    await keys.once(REQUEST, effect(store, (await members(database))["ada"]))
    await _age(database, "1 day")

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "readstate", "prune"),
        env=os.environ | {"READSTATE_DATABASE_URL": database_url},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()

    assert process.returncode == 0
    assert output == b"expired keys deleted: 1\n"


async def test_the_server_sweeps_by_itself(
    settings: ServerSettings, database: Database, store: NotificationStore, keys: IdempotencyStore
) -> None:
    await keys.once(REQUEST, effect(store, (await members(database))["ada"]))
    await _age(database, "1 day")

    async with app.running_server(settings), asyncio.timeout(5):
        while await database.rows("SELECT FROM idempotency_key", repeatable=True):
            pass
