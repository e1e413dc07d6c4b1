"""`POST /systemevent`, as the platform API's public client sends and reads it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from readstate.gateway.event_query import CONTEXTS, EVENTS
from tests.gateway.conftest import Bearer
from tests.gateway.organization import Organization

PATH = "/systemevent"
AGES = {"from_timestamp": "1970-01-01T00:00:00.000Z"}
"""A window with everything in it."""


async def query(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    response = await client.post(PATH, json=fields)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    assert list(body) == ["events", "total", "skip", "take"]
    return body


async def ids(client: httpx.AsyncClient, **fields: Any) -> list[int]:
    return [event["id"] for event in (await query(client, **{**AGES, **fields}))["events"]]


# ── Rendering ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_event_is_written_to_the_byte(organization: Organization) -> None:
    actor = {"name": "Grâce", "email": "g@acme.example"}
    await organization.record(
        {
            "event_id": 12345,
            "type": "bucket.created",
            "title": "not shown",
            "payload": {"size": 3, "actor": actor, "half": 0.5, "tags": ["é", None]},
            "occurred_at": "2026-11-21T06:30:00.123987Z",
            "actor_id": "user-1",
            "subject_id": "bucket-1",
            "workspace_id": "ws-1",
        },
        {"event_id": 12346, "type": "deployment.finished.twice", "occurred_at": "2026-11-21T05:30:00Z"},
    )
    response = await organization.member().post(PATH, json={**AGES, "skip": 0, "take": 20})
    org_id = organization.org_id
    first = (
        '{"id":12345,"timestamp":"2026-11-21T06:30:00.123Z","contextId":"bucket-1","context":"bucket",'
        f'"event":"created","orgId":"{org_id}","userId":"user-1","userName":"Grâce","userEmail":"g@acme.example",'
        r'"workspaceId":"ws-1","jsonData":"{\"half\":0.5,\"size\":3,\"tags\":[\"é\",null],'
        r'\"actor\":{\"name\":\"Grâce\",\"email\":\"g@acme.example\"}}","showUnread":true}'
    )
    second = (
        '{"id":12346,"timestamp":"2026-11-21T05:30:00.000Z","contextId":"","context":"deployment",'
        f'"event":"finished.twice","orgId":"{org_id}","userId":"","userName":"","userEmail":"","workspaceId":null,'
        '"jsonData":null,"showUnread":true}'
    )
    assert response.headers["content-type"] == "application/json"
    assert response.text == f'{{"events":[{first},{second}],"total":2,"skip":0,"take":20}}'


@pytest.mark.parametrize(
    "payload",
    [{}, {"actor": None}, {"actor": "ada"}, {"actor": {"name": 5, "email": None}}, {"actor": ["name"]}],
    ids=str,
)
async def test_an_actor_who_is_not_described_has_no_name(organization: Organization, payload: dict[str, Any]) -> None:
    await organization.record({"payload": payload})
    (event,) = (await query(organization.member()))["events"]
    assert (event["userName"], event["userEmail"]) == ("", "")
    assert json.loads(event["jsonData"]) == payload


async def test_a_type_without_a_dot_is_a_context(organization: Organization) -> None:
    await organization.record({"type": "demo"})
    (event,) = (await query(organization.member()))["events"]
    assert (event["context"], event["event"]) == ("demo", "")


# ── Order, pages and time ────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_newest_come_first_by_time_and_then_by_position(organization: Organization) -> None:
    times = ("06:30:01", "06:30:00", "06:30:01", "06:30:02", "06:30:00")
    await organization.record(
        *[{"event_id": i, "occurred_at": f"2026-11-21T{time}Z"} for i, time in enumerate(times, start=1)]
    )
    assert await ids(organization.member()) == [4, 3, 1, 5, 2]


async def test_pages_are_skipped_to_and_the_total_is_exact(organization: Organization) -> None:
    await organization.record(*[{"event_id": i, "type": "user.updated"} for i in range(1, 131)], {"event_id": 131})
    ada = organization.member()
    whole = await query(ada)
    assert ([event["id"] for event in whole["events"]], whole["total"]) == ([*range(131, 111, -1)], 131)
    assert (whole["skip"], whole["take"]) == (0, 20)
    page = await query(ada, context=3, skip=30, take=100)
    assert ([event["id"] for event in page["events"]], page["total"]) == ([*range(100, 0, -1)], 130)
    assert (page["skip"], page["take"]) == (30, 100)
    last = await query(ada, skip=10_000, take=1)
    assert (last["events"], last["total"], last["skip"], last["take"]) == ([], 131, 10_000, 1)


async def test_without_a_time_it_is_the_last_24_hours(organization: Organization) -> None:
    now = datetime.now(UTC)
    ages = (timedelta(hours=23, minutes=59), timedelta(hours=24, minutes=1), timedelta(days=30))
    await organization.record(
        *[{"event_id": i, "occurred_at": (now - age).isoformat()} for i, age in enumerate(ages, start=1)],
        {"event_id": 4},
    )
    ada = organization.member()
    for body in b"", b"{}", b'{"from_timestamp": null, "to_timestamp": null, "context": null, "take": null}':
        found = (await ada.post(PATH, content=body)).json()
        assert ([event["id"] for event in found["events"]], found["total"]) == ([4, 1], 2)
    assert await ids(ada, from_timestamp=None, to_timestamp=now.isoformat()) == [1, 2, 3]
    assert await ids(ada) == [4, 1, 2, 3]


async def test_both_ends_of_a_window_belong_to_it_as_they_are_shown(organization: Organization) -> None:
    seconds = ("00.999999", "01", "01.5005", "02.000999", "02.001")
    await organization.record(
        *[{"event_id": i, "occurred_at": f"2026-11-21T06:30:{second}Z"} for i, second in enumerate(seconds, start=1)]
    )
    ada = organization.member()
    window = {"from_timestamp": "2026-11-21T06:30:01.000Z", "to_timestamp": "2026-11-21T06:30:02.000Z"}
    assert await ids(ada, **window) == [4, 3, 2]
    # Each is found by the time that is shown of it.
    for event in (await query(ada, **AGES))["events"]:
        shown = event["timestamp"]
        assert event["id"] in await ids(ada, from_timestamp=shown, to_timestamp=shown)


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-21T06:30:01Z",
        "2026-11-21T07:30:01+01:00",
        "2026-11-21T06:30:01",
        "20261121T063001Z",
        "2026-11-21 06:30:01.000",
    ],
)
async def test_a_time_is_any_that_iso_8601_writes(organization: Organization, time: str) -> None:
    await organization.record({"event_id": 1, "occurred_at": "2026-11-21T06:30:01Z"})
    assert await ids(organization.member(), from_timestamp=time, to_timestamp=time) == [1]


@pytest.mark.parametrize("end", ["9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999999Z", "9999-12-31"])
async def test_a_window_may_end_at_the_end_of_time(organization: Organization, end: str) -> None:
    await organization.record({"event_id": 1})
    assert await ids(organization.member(), to_timestamp=end) == [1]


# ── Filters ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_numbers_stand_for_names(organization: Organization) -> None:
    assert [CONTEXTS.index(name) for name in ("workspace", "bucket", "flashbacknode", "conversation")] == [0, 1, 9, 13]
    assert EVENTS == ("created", "updated", "deleted")
    types = [f"{context}.{event}" for context in CONTEXTS for event in EVENTS]
    await organization.record(
        *[{"event_id": i, "type": name} for i, name in enumerate([*types, "bucket.lost", "x"], 1)]
    )
    ada = organization.member()
    for context, name in enumerate(CONTEXTS):
        found = await query(ada, context=context, take=100)
        assert {(event["context"], event["event"]) for event in found["events"]} == {(name, event) for event in EVENTS}
        assert found["total"] == 3
    for event, name in enumerate(EVENTS):
        found = await query(ada, event=event, take=100)
        assert {(one["context"], one["event"]) for one in found["events"]} == {(kind, name) for kind in CONTEXTS}
    (both,) = (await query(ada, context=1, event=2))["events"]
    assert (both["context"], both["event"]) == ("bucket", "deleted")
    assert (await query(ada, take=1))["total"] == len(types) + 2


async def test_who_where_and_what_narrow_the_list(organization: Organization) -> None:
    for i in range(8):
        fields = {"actor_id": f"a{i % 2}", "subject_id": f"s{i // 2 % 2}", "workspace_id": f"w{i // 4}"}
        await organization.record({"event_id": i + 1, **fields})
    ada = organization.member()
    assert await ids(ada, userId="a0") == [7, 5, 3, 1]
    assert await ids(ada, contextId="s1") == [8, 7, 4, 3]
    assert await ids(ada, workspaceId="w0") == [4, 3, 2, 1]
    assert await ids(ada, userId="a1", contextId="s1", workspaceId="w1") == [8]
    assert await ids(ada, userId="nobody") == []


async def test_show_unread_leaves_out_what_the_caller_has_read(organization: Organization) -> None:
    await organization.record(*[{"event_id": i} for i in (1, 2, 3)])
    ada = organization.member()
    await ada.post("/systemevent/read", json={"id": 2})
    for wanted in False, None:
        found = (await query(ada, showUnread=wanted))["events"]
        assert [(event["id"], event["showUnread"]) for event in found] == [(3, True), (2, False), (1, True)]
    unread = await query(ada, showUnread=True)
    assert ([event["id"] for event in unread["events"]], unread["total"]) == ([3, 1], 2)
    assert (await query(organization.member("grace"), showUnread=True))["total"] == 3


async def test_nobody_sees_the_events_of_others(organization: Organization, demo_data: None) -> None:
    assert await query(organization.member(), **AGES) == {"events": [], "total": 0, "skip": 0, "take": 20}


async def test_a_hundred_of_the_largest_events_are_answered_whole(organization: Organization) -> None:
    for _ in range(10):
        await organization.record(*[{"payload": {"text": "x" * 65_000}}] * 10)
    found = await query(organization.member(), take=100)
    assert {len(event["jsonData"]) for event in found["events"]} == {65_011}
    assert len(found["events"]) == 100


# ── What is refused ──────────────────────────────────────────────────────────────────────────────────────────────────

NOT_A_TIME = "must be an ISO 8601 time, as in 2026-11-21T06:30:00Z"
TIMES = ["", "yesterday", "2026-02-30", 1_700_000_000, True, "0001-01-01T00:00:00+01:00", "2026-11-21T06:30:00+25:00"]
NOT_VALID: dict[tuple[str, str], list[Any]] = {
    ("skip", "must be from 0 to 10000"): [-1, 10_001, 1.5, "0", True, 2**80, []],
    ("take", "must be from 1 to 100"): [0, -1, 101, 0.5, "20", False, 2**80, {}],
    ("context", "must be from 0 to 13"): [-1, 14, 0.5, "bucket", True],
    ("event", "must be from 0 to 2"): [-1, 3, "created", False],
    ("showUnread", "must be true or false"): [0, 1, "true", []],
    ("contextId", "must have 1 to 255 characters"): ["", "x" * 256],
    ("userId", "must have 1 to 255 characters"): ["", "x" * 256],
    ("workspaceId", "must have 1 to 255 characters"): ["", "x" * 256],
    ("workspaceId", "must not hold control characters"): ["a\0b", "a\nb"],
    ("userId", "must be a text"): [5, True, ["a"]],
    ("from_timestamp", NOT_A_TIME): TIMES,
    ("to_timestamp", NOT_A_TIME): TIMES,
}
REFUSED = [({name: value}, f"{name} {rule}") for (name, rule), values in NOT_VALID.items() for value in values]


@pytest.mark.parametrize(("fields", "message"), REFUSED, ids=lambda value: ascii(value)[:60])
async def test_a_field_that_is_not_valid_is_named(
    organization: Organization, fields: dict[str, Any], message: str
) -> None:
    response = await organization.member().post(PATH, json=fields)
    assert response.status_code == 400
    assert response.content == json.dumps({"error": message}, separators=(",", ":")).encode()


@pytest.mark.parametrize("body", [b"[]", b"null", b"5", b"{", b" ", b"\xff", b'{"skip": NaN}'])
async def test_a_body_that_is_no_object_is_refused(organization: Organization, body: bytes) -> None:
    response = await organization.member().post(PATH, content=body)
    assert (response.status_code, response.content) == (400, b'{"error":"body must be a JSON object"}')


async def test_half_a_character_is_no_text(organization: Organization) -> None:
    response = await organization.member().post(PATH, content=b'{"userId": "\\ud800"}')
    assert (response.status_code, response.content) == (400, b'{"error":"userId must be a text"}')


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"take": 0}', b'{"context": 99}', b'{"from_timestamp": "x"}'])
async def test_the_order_is_401_then_403_then_400(
    rest: httpx.AsyncClient, demo_data: None, bearer: Bearer, body: bytes
) -> None:
    unauthorized = (401, b'{"error":"Unauthorized"}')
    callers: list[tuple[dict[str, str], tuple[int, bytes]]] = [
        ({}, unauthorized),
        (bearer("ada", expires_in=-60), unauthorized),
        (bearer("stranger"), unauthorized),
        (bearer("carol"), (403, b'{"error":"User not associated with an organization"}')),
    ]
    for headers, expected in callers:
        response = await rest.post(PATH, content=body, headers=headers)
        assert (response.status_code, response.content) == expected
    assert (await rest.post(PATH, content=body, headers=bearer("ada"))).status_code == (200 if body == b"{}" else 400)


async def test_only_post_is_served(rest: httpx.AsyncClient) -> None:
    response = await rest.get(PATH)
    assert (response.status_code, response.headers["allow"]) == (405, "POST, OPTIONS")
    assert response.content == b'{"error":"Method not allowed"}'
