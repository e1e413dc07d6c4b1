"""`ETag` and 304: what a client has need not be sent again."""

import httpx
import pytest

from readstate.client import ReadState
from readstate.server.app import RunningServer
from tests.gateway.conftest import Bearer
from tests.gateway.organization import Organization

EVENTS = "/v1/system-events"
NOTIFICATIONS = "/v1/messaging/notifications"
PATHS = [
    EVENTS,
    f"{EVENTS}/unread-count",
    f"{EVENTS}/1/readers",
    NOTIFICATIONS,
    f"{NOTIFICATIONS}/unread-summary",
]
SCOPE = "system_events:audit messaging:read messaging:update"

each_path = pytest.mark.parametrize("path", PATHS)


@pytest.fixture
async def ada(organization: Organization) -> httpx.AsyncClient:
    await organization.record({"event_id": 1}, {"event_id": 2})
    return organization.member(scope=SCOPE)


@each_path
async def test_an_answer_that_is_still_the_same_is_not_sent_again(ada: httpx.AsyncClient, path: str) -> None:
    first = await ada.get(path)
    tag = first.headers["etag"]
    assert first.status_code == 200
    assert first.headers["cache-control"] == "private, no-cache"
    assert "Authorization" in first.headers["vary"]
    for given in (tag, f"W/{tag}", "*", f'"other", {tag}', f'"a,b" ,W/{tag}, "c"', f'W/"x",{tag}'):
        again = await ada.get(path, headers={"if-none-match": given})
        assert (again.status_code, again.content) == (304, b"")
        assert (again.headers["etag"], again.headers["cache-control"]) == (tag, "private, no-cache")
        assert "content-type" not in again.headers
        assert "x-request-id" in again.headers
    head = await ada.head(path, headers={"if-none-match": tag})
    assert (head.status_code, head.headers["etag"]) == (304, tag)


@each_path
async def test_an_answer_that_the_client_does_not_have_is_sent(ada: httpx.AsyncClient, path: str) -> None:
    first = await ada.get(path)
    tag = first.headers["etag"]
    for given in ("", '"other"', tag.strip('"'), f'{tag[:-2]}"', f"w/{tag[:-1]}", '"*"'):
        again = await ada.get(path, headers={"if-none-match": given})
        assert (again.status_code, again.content, again.headers["etag"]) == (200, first.content, tag)


async def test_several_lines_of_the_header_are_one_list(ada: httpx.AsyncClient) -> None:
    tag = (await ada.get(EVENTS)).headers["etag"]
    for lines in [tag, '"other"'], ['"other"', tag]:
        again = await ada.get(EVENTS, headers=[("if-none-match", line) for line in lines])
        assert again.status_code == 304


async def test_what_changes_an_answer_changes_its_tag(organization: Organization, ada: httpx.AsyncClient) -> None:
    async def tags() -> list[str]:
        return [(await ada.get(path)).headers["etag"] for path in PATHS[:3]]

    seen = [await tags()]
    await ada.post("/systemevent/read", json={"id": 1})
    seen.append(await tags())
    await organization.record({"event_id": 3})
    seen.append(await tags())
    lists, counts, readers = zip(*seen, strict=True)
    assert len(set(lists)) == len(set(counts)) == 3
    assert readers[0] != readers[1] == readers[2]
    stale = await ada.get(EVENTS, headers={"if-none-match": seen[0][0]})
    assert (stale.status_code, len(stale.json()["data"])) == (200, 3)


async def test_a_notification_changes_the_tags_of_its_list_and_its_count(
    organization: Organization, ada: httpx.AsyncClient, server: RunningServer, bearer: Bearer
) -> None:
    before = [(await ada.get(path)).headers["etag"] for path in PATHS[3:]]
    token = bearer("messenger", scope="messaging:write")["authorization"].removeprefix("Bearer ")
    async with ReadState(f"127.0.0.1:{server.port}", token=token) as messenger:
        await messenger.create_notifications(
            organization.org_id, [organization.user_id("ada")], category="c", title="t"
        )
    for path, tag in zip(PATHS[3:], before, strict=True):
        assert (await ada.get(path, headers={"if-none-match": tag})).status_code == 200


async def test_errors_and_answers_to_post_have_no_tag(ada: httpx.AsyncClient, rest: httpx.AsyncClient) -> None:
    for response in (
        await ada.get(f"{EVENTS}?limit=0", headers={"if-none-match": "*"}),
        await rest.get(EVENTS, headers={"if-none-match": "*"}),
        await ada.post("/systemevent", json={}, headers={"if-none-match": "*"}),
        await ada.post(f"{EVENTS}/actions/mark-all-read", json={"up_to": 0}, headers={"if-none-match": "*"}),
    ):
        assert response.status_code != 304
        assert "etag" not in response.headers
