"""`readstate dev`, as a newcomer meets it through grpcurl."""

import asyncio
import json
import re

import pytest
from httpx import AsyncClient

from tests.acceptance.processes import MARK_READ, MARK_UNREAD, Dev, Folder, call, grpcurl, refused
from tests.tools import tool

pytestmark = pytest.mark.usefixtures("grpcurl")

Running = tuple[Folder, Dev]


async def test_every_printed_command_works_as_it_is_printed(running: Running) -> None:
    tool("curl", required_by="CURL")
    folder, dev = running
    first, *commands = [
        line.strip() for line in dev.output.splitlines() if re.match(r"\s+(TOKEN=|grpcurl |curl )", line)
    ]
    assert first.startswith("TOKEN=$(")
    assert [command.split()[0] for command in commands] == ["curl", "curl", "grpcurl", "grpcurl"]
    for command in commands:
        process = await asyncio.create_subprocess_exec(
            *("bash", "-ec", f"{first}\n{command}"),
            cwd=folder.path,
            env=folder.environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        assert process.returncode == 0, (command, errors)
        if command.startswith("curl"):
            assert "error" not in json.loads(output), (command, output)
        if MARK_UNREAD in command:
            assert json.loads(output)["matchedCount"] == 3


async def test_the_screen_is_short_and_says_what_listens_where(running: Running) -> None:
    folder, dev = running
    ports = (folder.port, folder.rest_port, folder.admin_port, folder.rest_admin_port)
    assert all(f"127.0.0.1:{port}" in dev.output for port in ports)
    assert len(dev.output.splitlines()) <= 20


async def test_a_page_on_localhost_may_call_what_runs_for_development(running: Running) -> None:
    folder, _ = running
    async with AsyncClient(base_url=f"http://127.0.0.1:{folder.rest_port}", trust_env=False) as rest:
        answer = await rest.post("/systemevent/read", headers={"origin": "http://localhost:5173"})
    assert answer.headers["access-control-allow-origin"] == "http://localhost:5173"


async def test_list_and_describe_tell_what_there_is(running: Running) -> None:
    folder, _ = running
    _, services, _ = await grpcurl(f"127.0.0.1:{folder.port}", "list")
    assert "readstate.v1.SystemEventService" in services.split()
    _, described, _ = await grpcurl(f"127.0.0.1:{folder.port}", "describe", "readstate.v1.SystemEventService")
    assert "rpc MarkRead ( .readstate.v1.MarkReadRequest ) returns ( .readstate.v1.MarkReadResponse );" in described


async def test_marking_counts_what_changed_and_what_matched(running: Running) -> None:
    folder, _ = running
    token = await folder.token("grace")
    assert await call(folder.port, MARK_READ, token, {"event_ids": [11, 12, 60, 4711]}) == {
        "changedCount": 2,
        "matchedCount": 2,
        "version": "1",
    }
    assert await call(folder.port, MARK_READ, token, {"event_ids": [11, 12]}) == {"matchedCount": 2, "version": "1"}
    assert await call(folder.port, MARK_UNREAD, token, {"event_ids": [12]}) == {
        "changedCount": 1,
        "matchedCount": 1,
        "version": "2",
    }


async def test_the_read_state_is_read_back(running: Running) -> None:
    folder, _ = running
    service, port = "readstate.v1.SystemEventService", folder.port
    await call(
        port,
        "readstate.v1.DirectoryService/UpsertMembers",
        await folder.token("hr", "--scope", "directory:write"),
        {"members": [{"user_id": "dora", "org_id": "acme"}]},
    )
    dora = await folder.token("dora", "--scope", "system_events:audit")
    assert await call(port, f"{service}/GetUnreadCount", dora, {}) == {"unreadCount": 50, "head": "50"}
    marked = await call(port, f"{service}/MarkAllRead", dora, {"up_to": 48})
    assert (marked["changedCount"], marked["unreadCount"]) == (48, 2)
    page = await call(port, f"{service}/ListSystemEvents", dora, {"unread_only": True})
    assert [event["eventId"] for event in page["events"]] == ["50", "49"]
    assert (page["orgId"], page["unreadCount"], page["version"]) == ("acme", 2, marked["version"])
    readers = await call(port, f"{service}/ListReaders", dora, {"event_id": 48})
    assert {"userId": "dora"} in readers["readers"]
    undone = await call(port, f"{service}/UndoMarkAllRead", dora, {"undo_token": marked["undoToken"]})
    assert (undone["changedCount"], undone["unreadCount"]) == (48, 50)
    assert await refused(port, f"{service}/MarkAllRead", dora, {}) == (
        "InvalidArgument",
        "is required: a seq that a reply has shown, an event's or head",
    )


async def test_each_error_has_its_code_and_message(running: Running) -> None:
    folder, _ = running
    ada, carol = await folder.token("ada"), await folder.token("carol")
    expired, stranger = await folder.token("ada", "--expires-in", "-60"), await folder.token("nobody")
    one = {"event_ids": [1]}
    port = folder.port
    assert (await refused(port, MARK_READ, None, one))[0] == "Unauthenticated"
    assert await refused(port, MARK_READ, expired, one) == ("Unauthenticated", "the bearer token has expired")
    assert await refused(port, MARK_READ, stranger, one) == ("Unauthenticated", "user not found")
    assert await refused(port, MARK_READ, carol, one) == (
        "PermissionDenied",
        "User not associated with an organization",
    )
    assert await refused(port, MARK_READ, ada, {}) == ("InvalidArgument", "Missing or invalid id or ids")
    assert await refused(port, MARK_READ, ada, {"event_ids": [*range(1, 10_002)]}) == (
        "InvalidArgument",
        "Too many ids: at most 10000",
    )
    assert await call(port, MARK_UNREAD, carol, one) == {}


async def test_a_producer_alone_fills_a_new_organisation(running: Running) -> None:
    folder, _ = running
    producer = await folder.token("billing", "--scope", "directory:write system_events:write")
    members = {"members": [{"user_id": "erin", "org_id": "initech"}]}
    await call(folder.port, "readstate.v1.DirectoryService/UpsertMembers", producer, members)
    events = {"org_id": "initech", "events": [{"type": "first"}, {"type": "second"}]}
    recorded = await call(folder.port, "readstate.v1.SystemEventService/RecordSystemEvents", producer, events)
    assert recorded == {"eventIds": ["1", "2"]}
    erin = await folder.token("erin")
    assert await call(folder.port, MARK_READ, erin, {"event_ids": [1, 2, 3]}) == {
        "changedCount": 2,
        "matchedCount": 2,
        "version": "1",
    }
