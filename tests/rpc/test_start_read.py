"""READSTATE_START_READ: who is seen in an organisation for the first time finds nothing unread."""

import asyncio

import pytest

from readstate.client import ReadState
from readstate.config import ServerSettings
from readstate.identity import tokens
from readstate.model import MarkResult
from readstate.server import app
from readstate.server.app import RunningServer
from tests.conftest import ClientFor


@pytest.fixture
def settings(settings: ServerSettings) -> ServerSettings:
    return settings.model_copy(update={"directory": "claims", "start_read": True})


@pytest.fixture
async def demo_data(producer: ReadState) -> None:
    """Events alone: members come with their tokens."""
    for org_id, event_ids in ("acme", range(1, 51)), ("globex", range(51, 101)):
        await producer.record_system_events(org_id, [{"event_id": i, "type": "demo"} for i in event_ids])


async def test_what_was_there_is_read_and_what_comes_is_not(
    ada: ReadState, producer: ReadState, client_for: ClientFor
) -> None:
    assert (await ada.unread_count()).unread == 0
    await producer.record_system_events("acme", [{"type": "later"}])
    assert (await ada.unread_count()).unread == 1
    assert (await client_for("grace", org="acme").unread_count()).unread == 0


async def test_it_holds_for_each_organisation_and_whatever_the_first_call_is(
    ada: ReadState, client_for: ClientFor
) -> None:
    assert await ada.mark_unread([7]) == MarkResult(changed=1, matched=1)
    assert (await ada.unread_count()).unread == 1
    assert (await client_for("ada", org="globex").unread_count()).unread == 0
    assert (await client_for("ada").mark_unread([7])).matched == 0
    assert (await ada.unread_count()).unread == 1


async def test_another_server_begins_nothing_anew(
    ada: ReadState, server: RunningServer, settings: ServerSettings, client_for: ClientFor, producer: ReadState
) -> None:
    await ada.mark_unread([7, 8])
    await producer.record_system_events("acme", [{"type": "later"}])
    async with app.running_server(settings) as other:
        token = tokens.sign(settings, user="ada", org="acme")
        async with ReadState(f"127.0.0.1:{other.port}", token=token) as elsewhere:
            counts = await asyncio.gather(*(elsewhere.unread_count() for _ in range(20)))
    assert {count.unread for count in counts} == {3}
