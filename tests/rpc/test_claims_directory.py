"""READSTATE_DIRECTORY=claims: the token says which organisation a user is in."""

import asyncio

import pytest

from readstate.client import ReadState
from readstate.config import ServerSettings
from readstate.errors import DirectoryFromClaims, MissingScope, NoOrganization
from readstate.identity import tokens
from readstate.model import MarkResult
from readstate.server.app import RunningServer
from tests.conftest import ClientFor


@pytest.fixture
def settings(settings: ServerSettings) -> ServerSettings:
    return settings.model_copy(update={"directory": "claims", "token_org_claim": "https://id.example/org"})


@pytest.fixture
async def demo_data(producer: ReadState) -> None:
    """Events alone: members come with their tokens."""
    for org_id, event_ids in ("acme", range(1, 51)), ("globex", range(51, 101)):
        await producer.record_system_events(org_id, [{"event_id": i, "type": "demo"} for i in event_ids])


async def test_a_user_is_known_by_their_token(ada: ReadState, bob: ReadState) -> None:
    assert await ada.mark_read([1, 51]) == MarkResult(changed=1, matched=1)
    assert await bob.mark_read([1, 51]) == MarkResult(changed=1, matched=1)
    assert await ada.mark_read([1, 51]) == MarkResult(changed=0, matched=1)


async def test_a_user_has_marks_of_their_own_in_each_organisation(ada: ReadState, client_for: ClientFor) -> None:
    await ada.mark_read([1])
    elsewhere = client_for("ada", org="globex")
    assert await elsewhere.mark_read([1, 51]) == MarkResult(changed=1, matched=1)
    assert await ada.mark_unread([1, 51]) == MarkResult(changed=1, matched=1)


async def test_without_the_claim_there_is_no_organisation(ada: ReadState, carol: ReadState) -> None:
    await ada.mark_read([1])
    with pytest.raises(NoOrganization):
        await carol.mark_read([1])
    assert await carol.mark_unread([1]) == MarkResult(changed=0, matched=0)


async def test_an_organisation_without_events_matches_nothing(client_for: ClientFor) -> None:
    assert await client_for("zoe", org="initech").mark_read([1]) == MarkResult(changed=0, matched=0)


async def test_first_calls_at_the_same_time_make_one_member(demo_data: None, client_for: ClientFor) -> None:
    zoe = client_for("zoe", org="acme")
    results = await asyncio.gather(*(zoe.mark_read([1]) for _ in range(30)))
    assert sum(result.changed for result in results) == 1


async def test_there_is_no_directory_to_write_to(producer: ReadState, ada: ReadState) -> None:
    with pytest.raises(DirectoryFromClaims):
        await producer.upsert_members({"ada": "globex"})
    with pytest.raises(DirectoryFromClaims):
        await producer.remove_members(["ada"])
    with pytest.raises(MissingScope):
        await ada.remove_members(["ada"])
    assert await ada.mark_read([1]) == MarkResult(changed=1, matched=1)


async def test_all_is_unread_for_who_is_seen_for_the_first_time(ada: ReadState, client_for: ClientFor) -> None:
    assert (await ada.unread_count()).unread == 50
    await ada.mark_all_read(50)
    assert (await client_for("ada", org="globex").unread_count()).unread == 50
    assert (await ada.unread_count()).unread == 0


async def test_readers_are_those_whose_tokens_named_the_organisation(
    ada: ReadState, grace: ReadState, client_for: ClientFor
) -> None:
    await ada.mark_read([7])
    await grace.mark_all_read(10)
    auditor = client_for("zoe", org="acme", scope="system_events:audit")
    assert {reader.user_id async for reader in auditor.readers(7)} == {"ada", "grace"}


async def test_only_the_configured_claim_counts(
    demo_data: None, settings: ServerSettings, server: RunningServer
) -> None:
    token = tokens.sign(settings.model_copy(update={"token_org_claim": "org_id"}), user="ada", org="acme")
    async with ReadState(f"127.0.0.1:{server.port}", token=token) as ada:
        with pytest.raises(NoOrganization):
            await ada.mark_read([1])
