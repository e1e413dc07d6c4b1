"""Senders and resources as the table holds them: a form that servers before and after a version read alike."""

import json
from typing import Any

import pytest

from readstate.store.pool import Database
from readstate.v1 import notifications_pb2 as pb
from tests.notifications.conftest import Caller

FULL_SENDER = {
    "id": "user_1",
    "type": "user",
    "name": "Grace",
    "handle": "grace@acme.example",
    "avatar_url": "https://acme.example/grace.png",
}
BARE_SENDER = {"id": "key_1", "type": "api_key", "name": None, "handle": None, "avatar_url": None}
FULL_RESOURCE = {"id": "ord_7", "type": "order", "name": "Order “7”", "handle": "SO-7"}
BARE_RESOURCE = {"id": "ord_7", "type": "order", "name": None, "handle": None}

STORED = [
    (
        {**FULL_SENDER, "type": pb.ACTOR_TYPE_USER},
        FULL_RESOURCE,
        FULL_SENDER,
        FULL_RESOURCE,
    ),
    (
        {"id": "key_1", "type": pb.ACTOR_TYPE_API_KEY},
        {"id": "ord_7", "type": "order"},
        BARE_SENDER,
        BARE_RESOURCE,
    ),
]


@pytest.mark.parametrize(("sender", "resource", "stored_sender", "stored_resource"), STORED)
async def test_what_is_created_is_stored_as_ever(
    ada: Caller,
    messenger: Caller,
    database: Database,
    sender: dict[str, Any],
    resource: dict[str, Any],
    stored_sender: dict[str, Any],
    stored_resource: dict[str, Any],
) -> None:
    await messenger.notify("ada", sender=sender, resource=resource)

    (row,) = await database.rows("SELECT sender, resource FROM notification", repeatable=True)

    assert json.loads(row["sender"]) == stored_sender
    assert json.loads(row["resource"]) == stored_resource


@pytest.mark.parametrize(("sender", "resource", "stored_sender", "stored_resource"), STORED)
async def test_what_was_stored_before_is_found(
    ada: Caller,
    messenger: Caller,
    database: Database,
    sender: dict[str, Any],
    resource: dict[str, Any],
    stored_sender: dict[str, Any],
    stored_resource: dict[str, Any],
) -> None:
    (notification_id,) = await messenger.notify("ada")
    statement = "UPDATE notification SET sender = $1::jsonb, resource = $2::jsonb"
    await database.rows(statement, json.dumps(stored_sender), json.dumps(stored_resource), repeatable=True)

    found = (await ada.call("GetNotification", id=notification_id, include=["sender", "resource"])).notification

    assert found.sender == pb.Actor(**sender)
    assert found.resource == pb.Entity(**resource)


@pytest.mark.parametrize("number", [number for number in pb.ActorType.values() if number])
async def test_every_type_of_sender_comes_back(ada: Caller, messenger: Caller, number: int) -> None:
    (notification_id,) = await messenger.notify("ada", sender={"id": "a", "type": number})

    found = (await ada.call("GetNotification", id=notification_id, include=["sender"])).notification

    assert found.sender == pb.Actor(id="a", type=number)  # type: ignore[arg-type]
