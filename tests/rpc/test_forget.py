"""`readstate forget` beside servers that remember whom it erases, with both directories."""

import asyncio

import asyncpg
import pytest

from readstate.client import ReadState
from readstate.config import DirectorySettings, ServerSettings, load
from readstate.errors import ReadStateError, UnknownUser
from readstate.model import MarkResult
from readstate.server import upkeep
from readstate.store import pool
from readstate.store.members import MemberStore
from readstate.store.retention import pace
from tests.conftest import ClientFor


@pytest.fixture(params=["database", "claims"])
def settings(request: pytest.FixtureRequest, settings: ServerSettings) -> ServerSettings:
    return settings.model_copy(update={"directory": request.param})


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "REST", 0.0)


@pytest.fixture
async def demo_data(settings: ServerSettings, producer: ReadState) -> None:
    if settings.directory == "database":
        await producer.upsert_members({"ada": "acme", "grace": "acme", "bob": "globex"})
    for org_id, event_ids in ("acme", range(1, 51)), ("globex", range(51, 101)):
        await producer.record_system_events(org_id, [{"event_id": i, "type": "demo"} for i in event_ids])


async def forget(settings: ServerSettings, user: str | None = None, org: str | None = None) -> dict[str, int]:
    chosen = load(
        DirectorySettings, database_url=settings.database_url.get_secret_value(), directory=settings.directory
    )
    return await upkeep.forget(chosen, user_id=user, org_id=org, dry_run=False)


async def rows(settings: ServerSettings, statement: str) -> int:
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    try:
        return int(await connection.fetchval(statement))
    finally:
        await connection.close()


async def test_what_a_user_does_while_a_server_remembers_them_is_swept(
    settings: ServerSettings, ada: ReadState, grace: ReadState
) -> None:
    await ada.mark_read(range(1, 21))
    await grace.mark_read([1])
    assert (await forget(settings, user="ada"))["read_mark"] == 20
    # This server has the key for some seconds more.
    assert await ada.mark_read([1, 2]) == MarkResult(changed=2, matched=2)
    async with pool.connect(settings) as database:
        await MemberStore(database).sweep()
    assert await rows(settings, "SELECT count(*) FROM read_mark") == 1
    assert await rows(settings, "SELECT count(*) FROM member WHERE user_id = 'ada'") == 0


async def test_a_server_that_does_not_remember_the_user_knows_nobody_or_somebody_new(
    settings: ServerSettings, producer: ReadState, client_for: ClientFor, demo_data: None
) -> None:
    await forget(settings, user="ada")
    ada = client_for("ada", org="acme")
    if settings.directory == "database":
        with pytest.raises(UnknownUser):
            await ada.mark_read([1])
        await producer.upsert_members({"ada": "acme"})
    assert await ada.mark_read([1]) == MarkResult(changed=1, matched=1)


async def test_calls_go_on_while_everything_of_them_is_erased(
    settings: ServerSettings, ada: ReadState, grace: ReadState, bob: ReadState
) -> None:
    unexpected: list[ReadStateError] = []

    async def act(client: ReadState, *expected: type[ReadStateError]) -> None:
        while not forgetting.done():
            try:
                await client.mark_read(range(1, 101))
                await client.mark_unread(range(1, 101))
                await client.unread_count()
            except ReadStateError as error:
                if not isinstance(error, expected):
                    unexpected.append(error)
            await asyncio.sleep(0)

    async def forget_both() -> None:
        await forget(settings, user="ada")
        await forget(settings, org="acme")

    forgetting = asyncio.create_task(forget_both())
    await asyncio.gather(forgetting, act(ada, UnknownUser), act(grace, UnknownUser), act(bob))
    assert unexpected == []
    assert await bob.mark_read([51]) == MarkResult(changed=1, matched=1)
    async with pool.connect(settings) as database:
        await MemberStore(database).sweep()
    erased = "NOT EXISTS (SELECT FROM organization o WHERE o.org_key = t.org_key)"
    assert await rows(settings, f"SELECT count(*) FROM system_event t WHERE {erased}") == 0
    assert await rows(settings, f"SELECT count(*) FROM read_mark t WHERE {erased}") == 0


async def test_a_tenant_that_comes_back_begins_anew(
    settings: ServerSettings, producer: ReadState, client_for: ClientFor, demo_data: None
) -> None:
    assert (await forget(settings, org="acme"))["system_event"] == 50
    # The producer's server remembers the key of the tenant that is gone.
    assert await producer.record_system_events("acme", [{"type": "demo"}]) == [1]
    if settings.directory == "database":
        await producer.upsert_members({"zoe": "acme"})
    assert (await client_for("zoe", org="acme").unread_count()).unread == 1
