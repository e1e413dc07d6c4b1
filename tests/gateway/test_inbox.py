"""`/v1/system-events`: lists, counts, marks and readers over REST."""

import json
from typing import Any

import httpx
import pytest

from tests.gateway.conftest import Bearer
from tests.gateway.organization import Organization

ROOT = "/v1/system-events"
AUDIT = "system_events:audit"
FIELDS = [
    *("id", "object", "seq", "type", "title", "actor_id", "subject_id", "workspace_id", "read"),
    *("occurred_at", "recorded_at", "payload"),
]
NOT_VALID = {"code": "invalid_field", "type": "invalid_request_error", "is_transient": False}


def error(response: httpx.Response) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert body.keys() == {"error"}
    found: dict[str, Any] = body["error"]
    assert found.keys() == {"type", "code", "message", "param", "is_transient"}
    return found


async def ids(client: httpx.AsyncClient, query: str = "") -> list[int]:
    response = await client.get(f"{ROOT}?{query}")
    assert response.status_code == 200, response.text
    return [event["id"] for event in response.json()["data"]]


# ── Lists ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_list_has_the_fields_of_the_contract(organization: Organization) -> None:
    await organization.record(
        {
            "event_id": 7,
            "type": "bucket.created",
            "title": "É",
            "payload": {"b": [1, 2.5, None], "a": {"yes": True}},
            "occurred_at": "2026-11-21T06:30:00.5Z",
            "actor_id": "a",
            "subject_id": "s",
            "workspace_id": "w",
        },
        {"event_id": 9},
    )
    response = await organization.member().get(ROOT)
    assert response.status_code == 200
    body = response.json()
    assert list(body) == ["object", "data", "next_cursor", "head", "unread_count", "version"]
    assert (body["object"], body["next_cursor"], body["head"], body["unread_count"]) == ("list", None, 2, 2)
    bare, whole = body["data"]
    assert list(whole) == list(bare) == FIELDS
    assert (whole["id"], whole["object"], whole["seq"], whole["read"]) == (7, "system_event", 1, False)
    assert (whole["type"], whole["title"]) == ("bucket.created", "É")
    assert json.dumps(whole["payload"]) == '{"a": {"yes": true}, "b": [1, 2.5, null]}'
    assert (whole["actor_id"], whole["subject_id"], whole["workspace_id"]) == ("a", "s", "w")
    assert whole["occurred_at"] == "2026-11-21T06:30:00.500Z"
    assert whole["recorded_at"].endswith("Z")
    assert (bare["id"], bare["payload"], bare["actor_id"]) == (9, None, None)
    assert (bare["subject_id"], bare["workspace_id"]) == (None, None)


async def test_pages_follow_each_other_newest_first(organization: Organization) -> None:
    made = await organization.record(*[{}] * 5)
    ada = organization.member()
    found: list[int] = []
    cursor: str | None = None
    while cursor or not found:
        page = (await ada.get(ROOT, params={"limit": "2"} | ({"cursor": cursor} if cursor else {}))).json()
        found += [event["id"] for event in page["data"]]
        cursor = page["next_cursor"]
    assert found == made[::-1]


async def test_a_query_narrows_the_list(organization: Organization) -> None:
    for i, kind in enumerate(("a,b", "c", "c", "d")):
        await organization.record(
            {"event_id": i + 1, "type": kind, "actor_id": f"actor {i % 2}", "occurred_at": f"2026-11-21T0{i}:00:00Z"}
        )
    ada = organization.member()
    await ada.post("/systemevent/read", json={"id": 2})
    assert await ids(ada, "types=a,b&types=d") == [4, 1]
    assert await ids(ada, "types=c&unread_only=true") == [3]
    assert await ids(ada, "unread_only=false&actor_ids=actor%200") == [3, 1]
    assert await ids(ada, "occurred_from=2026-11-21T01:00:00Z&occurred_before=2026-11-21T04:00:00%2B01:00") == [3, 2]
    assert await ids(ada, "subject_ids=none") == await ids(ada, "workspace_ids=none") == []
    assert await ids(ada, "skip=1&limit=2") == [3, 2]
    counted = (await ada.get(f"{ROOT}?types=c&limit=1&with_total=true")).json()
    assert (counted["total"], counted["unread_count"], len(counted["data"])) == (2, 3, 1)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        *[(f"limit={value}", "limit") for value in ("0", "101", "-1", "ten", "1.0", "", "99999999999999999999")],
        *[(f"skip={value}", "skip") for value in ("10001", "-1", "x", "")],
        *[(f"unread_only={value}", "unread_only") for value in ("1", "True", "")],
        ("with_total=yes", "with_total"),
        ("types=", "types[0]"),
        ("types=a&types=%00", "types[1]"),
        ("&".join(["actor_ids=a"] * 101), "actor_ids"),
        *[(f"occurred_from={value}", "occurred_from") for value in ("", "yesterday", "2026-13-01", "1e3")],
        ("occurred_before=0001-01-01T00:00:00%2B23:00", "occurred_before"),
        ("cursor=x", "cursor"),
        ("cursor=AgAAAAAAAAAoAAAAAAAAAAAA", "cursor"),
    ],
)
async def test_a_parameter_that_is_not_valid_is_named(organization: Organization, query: str, param: str) -> None:
    response = await organization.member().get(f"{ROOT}?{query}")
    assert response.status_code == 400
    assert error(response).items() >= {"param": param, **NOT_VALID}.items()


@pytest.mark.parametrize("query", ["limit=0", "unread_only=1", "occurred_from=x"])
async def test_who_is_calling_is_judged_before_what_is_asked(
    rest: httpx.AsyncClient, demo_data: None, bearer: Bearer, query: str
) -> None:
    path = f"{ROOT}?{query}"
    assert (await rest.get(path)).status_code == 401
    assert (await rest.get(path, headers=bearer("stranger"))).status_code == 401
    refused = await rest.get(path, headers=bearer("carol"))
    assert (refused.status_code, error(refused)["code"]) == (403, "no_organization")
    assert (await rest.get(path, headers=bearer("ada"))).status_code == 400


# ── Counts and marks ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_marks_are_counted(organization: Organization) -> None:
    await organization.record(*[{"event_id": i} for i in (1, 2, 3)])
    ada = organization.member()
    count = (await ada.get(f"{ROOT}/unread-count")).json()
    assert list(count) == ["head", "unread_count", "version"]
    assert (count["head"], count["unread_count"]) == (3, 3)

    read = (await ada.post(f"{ROOT}/actions/mark-read", json={"ids": [1, 2, 2, 4711]})).json()
    assert list(read) == ["changed_count", "matched_count", "head", "unread_count", "version"]
    assert read == {"changed_count": 2, "matched_count": 2, "head": 3, "unread_count": 1, "version": read["version"]}
    assert read["version"] > count["version"]

    unread = (await ada.post(f"{ROOT}/actions/mark-unread", json={"id": 2})).json()
    state = {"head": 3, "unread_count": 2, "version": unread["version"]}
    assert unread == {"changed_count": 1, "matched_count": 1, **state}
    assert (await ada.get(f"{ROOT}/unread-count")).json() == state
    assert (await organization.member("grace").get(f"{ROOT}/unread-count")).json()["unread_count"] == 3


async def test_marks_without_a_valid_id_or_an_organisation(
    organization: Organization, rest: httpx.AsyncClient, demo_data: None, bearer: Bearer
) -> None:
    for action in "mark-read", "mark-unread":
        response = await organization.member().post(f"{ROOT}/actions/{action}", json={"ids": [0]})
        assert response.status_code == 400
        assert error(response).items() >= {"param": "ids", "message": "Missing or invalid id or ids"}.items()
    carol = bearer("carol")
    assert (await rest.post(f"{ROOT}/actions/mark-read", json={"id": 1}, headers=carol)).status_code == 403
    assert (await rest.post(f"{ROOT}/actions/mark-unread", json={"id": 1}, headers=carol)).json() == {
        "changed_count": 0, "matched_count": 0, "head": 0, "unread_count": 0, "version": 0
    }  # fmt: skip


async def test_marking_all_up_to_what_was_shown_can_be_undone(organization: Organization) -> None:
    await organization.record(*[{"event_id": i} for i in (1, 2, 3)])
    ada = organization.member()
    await ada.post("/systemevent/read", json={"id": 2})
    head = (await ada.get(f"{ROOT}/unread-count")).json()["head"]
    await organization.record({"event_id": 4})

    key = {"idempotency-key": "all"}
    marked = await ada.post(f"{ROOT}/actions/mark-all-read", json={"up_to": head}, headers=key)
    body = marked.json()
    assert list(body) == ["changed_count", "unread_count", "version", "undo_token"]
    assert (body["changed_count"], body["unread_count"]) == (2, 1)
    again = await ada.post(f"{ROOT}/actions/mark-all-read", json={"up_to": head}, headers=key)
    assert (again.content, again.headers["idempotent-replayed"]) == (marked.content, "true")
    assert (await ada.post(f"{ROOT}/actions/mark-all-read", json={"up_to": 0}, headers=key)).status_code == 422
    assert (await ada.post(f"{ROOT}/actions/mark-all-read", json={"up_to": 0})).json()["undo_token"] is None

    undo = {"undo_token": body["undo_token"]}
    undone = await ada.post(f"{ROOT}/actions/undo-mark-all-read", json=undo)
    assert undone.json() == {"changed_count": 2, "unread_count": 3, "version": undone.json()["version"]}
    assert list(undone.json()) == ["changed_count", "unread_count", "version"]
    grace = await organization.member("grace").post(f"{ROOT}/actions/undo-mark-all-read", json=undo)
    assert (grace.status_code, error(grace)["param"], error(grace)["code"]) == (400, "undo_token", "invalid_undo_token")


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"{", b'{"up_to": null}', b'{"up_to": -1}', b'{"up_to": "1"}', b'{"up_to": true}',
             b'{"up_to": 1.5}', b'{"up_to": [1]}', b'{"up_to": -1e400}', b'{"up_to": 9223372036854775808}',
             b'{"up_to": 99999999999999999999999999}']
)  # fmt: skip
async def test_how_far_has_to_be_said(organization: Organization, body: bytes) -> None:
    response = await organization.member().post(f"{ROOT}/actions/mark-all-read", content=body)
    assert response.status_code == 400
    assert error(response)["param"] == "up_to"


@pytest.mark.parametrize("up_to", [b"3", b"3.0", b"4", b"9223372036854775807"])
async def test_any_position_that_is_recorded_or_larger_will_do(organization: Organization, up_to: bytes) -> None:
    await organization.record(*[{}] * 3)
    response = await organization.member().post(f"{ROOT}/actions/mark-all-read", content=b'{"up_to": %b}' % up_to)
    assert response.json()["changed_count"] == 3


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"undo_token": 5}', b'{"undo_token": ""}', b'{"undo_token": "\\ud800"}']
)
async def test_what_is_no_undo_token_is_refused(organization: Organization, body: bytes) -> None:
    response = await organization.member().post(f"{ROOT}/actions/undo-mark-all-read", content=body)
    assert response.status_code == 400
    assert error(response)["param"] == "undo_token"


# ── Readers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_readers_are_told_to_who_may_know(organization: Organization) -> None:
    await organization.record({"event_id": 1})
    await organization.member().post("/systemevent/read", json={"id": 1})
    await organization.member("grace").post(f"{ROOT}/actions/mark-all-read", json={"up_to": 1})
    refused = await organization.member().get(f"{ROOT}/1/readers")
    assert (refused.status_code, error(refused)["code"]) == (403, "scope_missing")

    auditor = organization.member(scope=AUDIT)
    body = (await auditor.get(f"{ROOT}/1/readers")).json()
    assert list(body) == ["object", "data", "next_cursor"]
    assert (body["object"], body["next_cursor"]) == ("list", None)
    readers = {reader["user_id"]: reader for reader in body["data"]}
    assert all(list(reader) == ["object", "user_id", "read_at"] for reader in body["data"])
    assert readers[organization.user_id("ada")]["read_at"].endswith("Z")
    assert readers[organization.user_id("grace")]["read_at"] is None

    first = (await auditor.get(f"{ROOT}/1/readers?limit=1")).json()
    second = (await auditor.get(f"{ROOT}/1/readers", params={"limit": "1", "cursor": first["next_cursor"]})).json()
    assert first["data"] + second["data"] == body["data"]
    assert error(await auditor.get(f"{ROOT}/1/readers?limit=0"))["param"] == "limit"
    assert error(await auditor.get(f"{ROOT}/1/readers?cursor=x"))["param"] == "cursor"


async def test_an_event_of_others_and_one_of_nobody_are_not_found_in_the_same_bytes(
    organization: Organization, demo_data: None
) -> None:
    await organization.record({"event_id": 777})
    auditor = organization.member(scope=AUDIT)
    foreign = ["60", "4711", "0", "-1", "x", "7.0", "%D9%A7", "9223372036854775808", "9" * 400]
    answers = {
        (response.status_code, response.content)
        for response in [await auditor.get(f"{ROOT}/{one}/readers") for one in foreign]
    }
    assert len(answers) == 1
    assert answers.pop()[0] == 404
    assert (await auditor.get(f"{ROOT}/777/readers")).status_code == 200


async def test_errors_of_the_gateway_itself_have_the_object_form_too(organization: Organization) -> None:
    ada = organization.member()
    missing = await ada.get(f"{ROOT}/nothing")
    assert (missing.status_code, error(missing)["type"]) == (404, "invalid_request_error")
    wrong = await ada.get(f"{ROOT}/actions/mark-read")
    assert (wrong.status_code, wrong.headers["allow"], error(wrong)["param"]) == (405, "POST, OPTIONS", None)
    large = await ada.post(f"{ROOT}/actions/mark-read", content=b"x" * 300_000)
    assert (large.status_code, error(large)["is_transient"]) == (413, False)
