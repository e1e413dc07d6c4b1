"""Notifications over REST: the object of the page, its errors, and keys."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from readstate.client import ReadState
from tests.gateway.conftest import Bearer

ROOT = "/v1/messaging/notifications"
SCOPES = "messaging:read messaging:update"
FIELDS = [
    *("id", "object", "category", "title", "body", "status", "priority", "sender", "resource"),
    *("seen_at", "read_at", "dismissed_at", "created_at", "updated_at"),
]
SENDER = {"id": "user_7", "type": "ACTOR_TYPE_USER", "name": "Grace", "handle": "grace@example.com"}
RESOURCE = {"id": "chat_1", "type": "conversation", "name": "Launch"}


@pytest.fixture
async def ada(rest: httpx.AsyncClient, demo_data: None, bearer: Bearer) -> httpx.AsyncClient:
    rest.headers.update(bearer("ada", scope=SCOPES))
    return rest


@pytest.fixture
async def messenger(server: Any, demo_data: None, bearer: Bearer) -> AsyncIterator[ReadState]:
    token = bearer("messenger", scope="messaging:write")["authorization"].removeprefix("Bearer ")
    async with ReadState(f"127.0.0.1:{server.port}", token=token) as client:
        yield client


@pytest.fixture
async def told(messenger: ReadState) -> str:
    """A new notification of ada's."""
    return await tell(messenger, "ada")


async def tell(messenger: ReadState, user_id: str, org_id: str = "acme") -> str:
    made = await messenger.create_notifications(
        org_id, [user_id], category="chat.mention", title="Grace mentioned you", sender=SENDER, resource=RESOURCE
    )
    return made.ids[0]


def error(response: httpx.Response) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert body.keys() == {"error"}
    found: dict[str, Any] = body["error"]
    assert found.keys() == {"type", "code", "message", "param", "is_transient"}
    return found


async def test_the_seeds_request_with_a_key_is_answered_with_the_same_bytes_again(
    ada: httpx.AsyncClient, told: str
) -> None:
    path, key = f"{ROOT}/{told}/actions/seen", {"idempotency-key": f"seen {told}"}
    first = await ada.post(path, headers=key)
    assert first.status_code == 200
    assert list(first.json()) == FIELDS
    assert (first.json()["object"], first.json()["status"]) == ("notification", "seen")
    assert (first.json()["sender"], first.json()["resource"]) == (None, None)
    assert "idempotent-replayed" not in first.headers

    without = await ada.post(path)
    assert without.json()["seen_at"] == first.json()["seen_at"]
    assert "idempotent-replayed" not in without.headers

    again = await ada.post(path, headers=key)
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize("query", ["include[]=sender&include[]=resource", "include=sender,resource"])
async def test_both_spellings_of_include_expand_what_is_stored(ada: httpx.AsyncClient, told: str, query: str) -> None:
    found = (await ada.get(f"{ROOT}/{told}?{query}")).json()
    assert found["sender"] == {
        "id": "user_7",
        "object": "actor",
        "type": "user",
        "name": "Grace",
        "handle": "grace@example.com",
        "avatar_url": None,
        "role": None,
    }
    assert found["resource"] == {
        "id": "chat_1",
        "object": "entity",
        "type": "conversation",
        "name": "Launch",
        "handle": None,
    }
    assert found["created_at"].endswith("Z")


@pytest.mark.parametrize(
    ("query", "param"),
    [("include=recipient", "include"), ("limit=0", "limit"), ("limit=ten", "limit"), ("limit=101", "limit"),
     ("status=new", "status"), ("status=SEEN", "status"), ("status=unspecified", "status"),
     ("cursor=x", "cursor"), ("category=", "category"), ("include=", "include"), ("include=sender,", "include")],
)  # fmt: skip
async def test_a_parameter_that_is_not_valid_is_named(ada: httpx.AsyncClient, query: str, param: str) -> None:
    response = await ada.get(f"{ROOT}?{query}")
    assert response.status_code == 400
    assert error(response)["param"] == param


async def test_who_is_calling_is_judged_before_what_is_asked(rest: httpx.AsyncClient, bearer: Bearer, ada: Any) -> None:
    path = f"{ROOT}/actions/mark-all-seen"
    bad: dict[str, Any] = {"content": b"not json", "headers": {"idempotency-key": "k" * 256}}
    rest.headers.pop("authorization")
    assert (await rest.post(path, **bad)).status_code == 401
    rest.headers.update(bearer("carol", scope=SCOPES))
    assert error(await rest.post(path, **bad))["code"] == "no_organization"
    rest.headers.update(bearer("ada"))
    assert error(await rest.post(path, **bad))["code"] == "scope_missing"
    rest.headers.update(bearer("ada", scope=SCOPES))
    assert error(await rest.post(path, **bad))["param"] == "up_to"


@pytest.mark.parametrize("key", ["", "k" * 256, "k" * 9000, "schlüssel"], ids=["empty", "long", "very long", "umlaut"])
async def test_a_key_that_is_not_valid_is_named(ada: httpx.AsyncClient, told: str, key: str) -> None:
    response = await ada.post(f"{ROOT}/{told}/actions/seen", headers=[(b"idempotency-key", key.encode())])
    assert response.status_code == 400
    assert error(response)["param"] == "idempotency-key"


@pytest.mark.parametrize("keys", [["k"] * 2, ["k"] * 2000, ["k" * 8000] * 5], ids=["two", "many", "large"])
async def test_keys_that_are_too_many_or_too_long_are_always_a_bad_request(
    ada: httpx.AsyncClient, told: str, keys: list[str]
) -> None:
    for _ in range(20):
        headers = [(b"idempotency-key", key.encode()) for key in keys]
        response = await ada.post(f"{ROOT}/{told}/actions/seen", headers=headers)
        assert response.status_code == 400
        assert error(response)["param"] == "idempotency-key"


async def test_a_key_of_another_request_is_refused(ada: httpx.AsyncClient, told: str) -> None:
    key = {"idempotency-key": f"twice {told}"}
    assert (await ada.post(f"{ROOT}/{told}/actions/seen", headers=key)).status_code == 200
    response = await ada.post(f"{ROOT}/{told}/actions/read", headers=key)
    assert response.status_code == 422
    assert error(response)["type"] == "idempotency_error"
    assert error(response)["code"] == "idempotency_key_reused"


async def test_what_is_not_the_callers_is_not_found_in_the_same_bytes(
    ada: httpx.AsyncClient, messenger: ReadState
) -> None:
    foreign = [await tell(messenger, "grace"), await tell(messenger, "bob", "globex"), "nf_000000000000", "x"]
    for method, suffix in (("GET", ""), ("POST", "/actions/seen"), ("POST", "/actions/dismiss")):
        answers = {
            (response.status_code, response.content)
            for response in [await ada.request(method, f"{ROOT}/{one}{suffix}") for one in foreign]
        }
        assert len(answers) == 1
        assert answers.pop()[0] == 404


async def test_what_the_gateway_refuses_itself_has_the_object_form_too(ada: httpx.AsyncClient, told: str) -> None:
    missing = await ada.get("/v1/messaging/nothing")
    assert (missing.status_code, error(missing)["type"]) == (404, "invalid_request_error")
    wrong = await ada.get(f"{ROOT}/{told}/actions/seen")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST, OPTIONS")
    large = await ada.post(f"{ROOT}/{told}/actions/seen", content=b"x" * 300_000)
    assert (large.status_code, error(large)["is_transient"]) == (413, False)
    encoded = await ada.post(f"{ROOT}/{told}/actions/seen", headers={"content-encoding": "gzip"})
    assert (encoded.status_code, error(encoded)["code"]) == (415, "unsupported_content_encoding")


async def test_pages_follow_each_other_newest_first(ada: httpx.AsyncClient, messenger: ReadState) -> None:
    made = [await tell(messenger, "ada") for _ in range(5)]
    found: list[str] = []
    cursor: str | None = None
    while len(found) < 5:
        page = (await ada.get(ROOT, params={"limit": "2"} | ({"cursor": cursor} if cursor else {}))).json()
        assert page["object"] == "list"
        found += [one["id"] for one in page["data"]]
        cursor = page["next_cursor"]
    assert found[:5] == made[::-1]


async def test_all_up_to_the_newest_shown_are_marked_and_counted(ada: httpx.AsyncClient, messenger: ReadState) -> None:
    path = f"{ROOT}/actions/mark-all-seen"
    await ada.post(path)
    shown, later = await tell(messenger, "ada"), await tell(messenger, "ada")
    assert (await ada.post(path, content=json.dumps({"up_to": shown}))).json() == {"changed_count": 1}
    assert (await ada.get(f"{ROOT}/{later}")).json()["status"] == "unseen"
    summary = (await ada.get(f"{ROOT}/unread-summary")).json()
    assert summary["unseen_count"] == 1
    assert (await ada.post(path, content=b'{"up_to": null}')).json() == {"changed_count": 1}
    await tell(messenger, "ada")
    for wrong in (b"5", b"5.5", b"1e999", b"-0.0", b'"\\ud800"'):
        assert error(await ada.post(path, content=b'{"up_to": %s}' % wrong))["param"] == "up_to"
    for body in (b"[]", b"{"):
        assert error(await ada.post(path, content=body))["param"] == "up_to"


async def test_all_up_to_the_newest_shown_are_read(ada: httpx.AsyncClient, messenger: ReadState) -> None:
    path = f"{ROOT}/actions/mark-all-read"
    await ada.post(path)
    shown, later = await tell(messenger, "ada"), await tell(messenger, "ada")
    first = await ada.post(path, json={"up_to": shown}, headers={"idempotency-key": f"read {shown}"})
    assert first.json() == {"changed_count": 1}
    again = await ada.post(path, json={"up_to": shown}, headers={"idempotency-key": f"read {shown}"})
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert (await ada.get(f"{ROOT}/{shown}")).json()["status"] == "read"
    assert (await ada.get(f"{ROOT}/{later}")).json()["status"] == "unseen"
    assert (await ada.get(f"{ROOT}/unread-summary")).json() == {"unseen_count": 1, "unread_count": 1}
    assert error(await ada.post(path, json={"up_to": 5}))["param"] == "up_to"
    assert (await ada.post(path, json={"up_to": "nf_000000000000"})).status_code == 404
