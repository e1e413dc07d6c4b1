"""The limits that protovalidate reads in the protos are those that the server keeps."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import protovalidate
import pytest
from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from readstate.config import ServerSettings
from readstate.identity import tokens
from readstate.server.app import RunningServer

DESCRIPTORS = Path(__file__).resolve().parents[2] / "deploy" / "envoy" / "readstate.binpb"
SCOPES = "system_events:write system_events:audit directory:write messaging:write messaging:read messaging:update"

EVENT: dict[str, Any] = {"type": "t"}
RECORD: dict[str, Any] = {"org_id": "acme", "events": [EVENT]}
NOTIFY: dict[str, Any] = {"org_id": "acme", "user_ids": ["ada"], "category": "c", "title": "t"}
USER = {"id": "u", "type": "ACTOR_TYPE_USER"}


def record(**fields: Any) -> dict[str, Any]:
    return RECORD | {"events": [EVENT | fields]}


def sender(**fields: Any) -> dict[str, Any]:
    return NOTIFY | {"sender": USER | fields}


NAME = ["x", "x" * 255, "äöü", "two words"], ["", "x" * 256, "a\nb", "a\u0000b", "\u0085"]
FILTER = [[], ["x"] * 100, [*NAME[0]]], [["x"] * 101, *([name] for name in NAME[1])]
INCLUDE = [[], ["sender"], ["resource", "sender"]], [["title"], ["sender", ""]]
LIST = [["x"], ["x", "y"]], [[], *([name] for name in NAME[1])]


@dataclass(frozen=True)
class Limit:
    """What a field of a request may be, and what it may not be."""

    service: str
    method: str
    request: dict[str, Any]
    field: str
    valid: list[Any]
    invalid: list[Any]


def events(method: str, field: str, valid: list[Any], invalid: list[Any], **request: Any) -> Limit:
    return Limit("SystemEventService", method, request, field, valid, invalid)


def members(method: str, field: str, valid: list[Any], invalid: list[Any]) -> Limit:
    return Limit("DirectoryService", method, {}, field, valid, invalid)


def notices(method: str, field: str, valid: list[Any], invalid: list[Any], **request: Any) -> Limit:
    return Limit("NotificationService", method, request, field, valid, invalid)


def within(make: Any, values: tuple[list[Any], list[Any]], name: str) -> tuple[list[Any], list[Any]]:
    """The values as a field of a list's only entry, or of a message in the request."""
    valid, invalid = ([make(**{name: value}) for value in part] for part in values)
    return valid, invalid


IDS = [[1], [0, -5, 7], [2**63 - 1], [1] * 10_000], [[], [0], [-1], [1] * 10_001]
LIMITS = [
    *(events(method, "event_ids", *IDS) for method in ("MarkRead", "MarkUnread")),
    events("RecordSystemEvents", "org_id", *NAME, **RECORD),
    events("RecordSystemEvents", "events", [[EVENT], [EVENT] * 10_000], [[], [EVENT] * 10_001], **RECORD),
    *(events("RecordSystemEvents", "", *within(record, NAME, name)) for name in ("type", "actor_id", "subject_id")),
    events("RecordSystemEvents", "", *within(record, NAME, "workspace_id")),
    events("RecordSystemEvents", "", *within(record, (["", "x" * 1000, "a\nb"], ["x" * 1001, "\u0000"]), "title")),
    events("RecordSystemEvents", "", *within(record, ([1, 2**53 - 1], [0, -1, 2**53]), "event_id")),
    events("ListSystemEvents", "page_size", [0, 1, 100], [-1, 101]),
    *(events("ListSystemEvents", name, *FILTER) for name in ("types", "actor_ids", "subject_ids", "workspace_ids")),
    events("ListSystemEvents", "skip", [0, 10_000], [-1, 10_001]),
    events("ListSystemEvents", "order", [0, 1, 2], [3]),
    events("MarkAllRead", "up_to", [0, 1], [None, -1]),
    events("UndoMarkAllRead", "undo_token", [], [""]),
    events("ListReaders", "page_size", [0, 1, 100], [-1, 101], event_id=1),
    members("UpsertMembers", "members", [[{"user_id": name}] for name in NAME[0]], [[{"user_id": n}] for n in NAME[1]]),
    members("UpsertMembers", "members", [[{"user_id": "u", "org_id": "o"}]], [[], [{"user_id": "u"}] * 2]),
    members("UpsertMembers", "members", [], [[{"user_id": "u", "org_id": name}] for name in NAME[1]]),
    members("RemoveMembers", "user_ids", *LIST),
    notices("CreateNotifications", "org_id", *NAME, **NOTIFY),
    notices("CreateNotifications", "user_ids", *LIST, **NOTIFY),
    notices("CreateNotifications", "category", *NAME, **NOTIFY),
    notices("CreateNotifications", "title", ["x", "x" * 1000, "a\nb"], ["", "x" * 1001, "\u0000"], **NOTIFY),
    notices("CreateNotifications", "body", ["", "x" * 2000, "a\nb"], ["x" * 2001, "\u0000"], **NOTIFY),
    notices("CreateNotifications", "priority", [0, 1, 2, 3], [4], **NOTIFY),
    notices("CreateNotifications", "resource", [{"id": "i", "type": "t"}], [{"id": "i"}, {"type": "t"}], **NOTIFY),
    *(notices("CreateNotifications", "", *within(sender, NAME, name)) for name in ("id", "name", "handle")),
    notices("CreateNotifications", "", *within(sender, (["x" * 2048], ["", "x" * 2049, "\n"]), "avatar_url")),
    notices("CreateNotifications", "", *within(sender, ([1, 2, 3, 4], [0, 5]), "type")),
    notices("CreateNotifications", "", [sender(type=4, handle="h")], [sender(type=2, handle="h")]),
    notices("CreateNotifications", "", [], [sender(type=type, avatar_url="u") for type in (2, 3, 4)]),
    notices("ListNotifications", "status", [0, 1, 2, 3, 4], [5]),
    notices("ListNotifications", "category", *NAME),
    notices("ListNotifications", "limit", [1, 100], [0, -1, 101]),
    notices("ListNotifications", "include", *INCLUDE),
    notices("GetNotification", "include", *INCLUDE, id="nf_0123456789ab"),
    *(
        notices(method, "include", *INCLUDE, id="nf_0123456789ab")
        for method in ("MarkNotificationSeen", "MarkNotificationRead", "DismissNotification")
    ),
    *(
        notices(method, "up_to", ["nf_0123456789ab"], [""])
        for method in ("MarkAllNotificationsSeen", "MarkAllNotificationsRead")
    ),
]


def pool() -> DescriptorPool:
    made = DescriptorPool()
    for file in FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file:
        made.Add(file)
    return made


POOL = pool()


@pytest.fixture
async def channel(server: RunningServer) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as opened:
        yield opened


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: f"{limit.method}.{limit.field}")
async def test_what_the_annotations_refuse_the_server_refuses(
    limit: Limit, channel: grpc.aio.Channel, settings: ServerSettings, demo_data: None
) -> None:
    service = POOL.FindServiceByName(f"readstate.v1.{limit.service}")
    request_type = GetMessageClass(service.FindMethodByName(limit.method).input_type)
    metadata = (("authorization", f"Bearer {tokens.sign(settings, user='ada', scope=SCOPES)}"),)
    call: Any = channel.unary_unary(f"/readstate.v1.{limit.service}/{limit.method}")
    for is_valid, values in (True, limit.valid), (False, limit.invalid):
        for value in values:
            fields = limit.request | ({limit.field: value} if limit.field else value)
            request = json_format.ParseDict(fields, request_type())
            try:
                await call(request.SerializeToString(), metadata=metadata, timeout=5)
                code = "OK"
            except grpc.aio.AioRpcError as error:
                code = error.code().name
            shown = str(fields)[:200]
            assert (code != "INVALID_ARGUMENT") is is_valid, (code, shown)
            assert (not protovalidate.collect_violations(request)) is is_valid, shown
