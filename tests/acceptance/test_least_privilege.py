"""A server whose role may only select, insert, update and delete, and the schemas that it refuses."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from tests.serving import run, serving

RIGHTS = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "deploying.md"
DEFAULTS = """
SELECT setconfig FROM pg_db_role_setting
 WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
SCOPE = "system_events:write directory:write messaging:write messaging:read messaging:update"


@asynccontextmanager
async def connected(url: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
async def as_app(database_url: str) -> AsyncIterator[str]:
    """The URL of the database for a role that has the rights of the page, and no other."""
    assert RIGHTS in PAGE.read_text()
    role = f"app_{uuid4().hex}"
    async with connected(database_url) as owner:
        await owner.execute(f"CREATE ROLE {role} LOGIN")
        await owner.execute(RIGHTS.removesuffix("app") + role)
    yield database_url.replace("//postgres@", f"//{role}@")
    async with connected(database_url) as owner:
        await owner.execute(f"DROP OWNED BY {role}")
        await owner.execute(f"DROP ROLE {role}")


async def test_it_serves_everything(as_app: str) -> None:
    async with serving(as_app, READSTATE_MIGRATE="false") as server, server.client("ada", scope=SCOPE) as ada:
        await ada.upsert_members({"ada": "acme", "bob": "acme"})
        await ada.record_system_events("acme", [{"type": "load"}] * 10, idempotency_key="once")
        assert (await ada.mark_read([1, 2, 3])).changed == 3
        assert (await ada.mark_unread([1])).changed == 1
        for _ in range(3):
            await ada.create_notifications("acme", ["ada", "bob"], category="chat.message", title="Hello")
        first, second, _ = [notification.id async for notification in ada.notifications()]
        await ada.mark_notification_seen(first, idempotency_key="seen")
        await ada.mark_notification_read(first)
        await ada.dismiss_notification(second)
        assert await ada.mark_all_notifications_seen() == 1
        assert await ada.remove_members(["bob"]) == 1
    assert [line for line in server.lines if '"level": "error"' in line] == []
    code, _, errors = await run("prune", database_url=as_app)
    assert (code, errors) == (0, "")


async def test_where_nothing_is_to_be_done_it_may_migrate(as_app: str) -> None:
    code, output, errors = await run("migrate", "--role-defaults", database_url=as_app)
    assert (code, output, errors) == (0, "nothing to apply\nrole defaults set\n", "")
    async with connected(as_app) as app:
        assert await app.fetchval("SHOW statement_timeout") == "5s"


async def refusal(url: str) -> str:
    """Why a server that does not migrate does not start."""
    code, _, errors = await run("serve", database_url=url, READSTATE_MIGRATE="false")
    assert code == 1
    assert len(errors.strip().splitlines()) == 1
    return errors


async def test_a_schema_that_is_too_old_is_refused(database_url: str, empty_database_url: str, as_app: str) -> None:
    assert "too old: run `readstate migrate`, which applies 0001_system_events" in await refusal(empty_database_url)
    async with connected(database_url) as owner:
        await owner.execute("DELETE FROM schema_migration WHERE name LIKE '0003%'")
    assert "too old: run `readstate migrate`, which applies 0003_" in await refusal(as_app)


async def test_a_schema_that_is_newer_is_used_while_it_is_compatible(database_url: str, as_app: str) -> None:
    async with connected(database_url) as owner:
        await owner.execute("INSERT INTO schema_migration (name, compatible_from) VALUES ('9998_that_adds', 1)")
        async with serving(as_app, READSTATE_MIGRATE="false"), serving(database_url):
            pass
        await owner.execute("INSERT INTO schema_migration (name, compatible_from) VALUES ('9999_that_drops', 9998)")
    told = "too new: it needs a release that knows migration 9998"
    assert told in await refusal(as_app)
    code, _, errors = await run("serve", database_url=database_url)
    assert code == 1
    assert told in errors


async def test_a_role_that_may_not_look_is_told_so(database_url: str, as_app: str) -> None:
    async with connected(database_url) as owner:
        await owner.execute("REVOKE ALL ON schema_migration FROM " + as_app.partition("//")[2].partition("@")[0])
    assert "READSTATE_DATABASE_URL: the database refuses: permission denied" in await refusal(as_app)


async def test_only_when_asked_are_the_roles_defaults_set(empty_database_url: str) -> None:
    async with connected(empty_database_url) as owner:
        code, output, _ = await run("migrate", database_url=empty_database_url)
        assert code == 0
        assert "applied 0001_system_events" in output
        async with serving(empty_database_url):
            assert await owner.fetch(DEFAULTS) == []
        await run("migrate", "--role-defaults", database_url=empty_database_url)
        assert await owner.fetchval(DEFAULTS) == ["statement_timeout=5s", "lock_timeout=1s", "jit=off"]


@pytest.mark.alone
async def test_a_migration_that_waits_for_a_lock_lets_others_pass(database_url: str) -> None:
    async with connected(database_url) as holding, connected(database_url) as reading:
        await holding.execute("ALTER TABLE schema_migration DROP COLUMN compatible_from")
        longest = 0.0
        async with holding.transaction():
            # As a backup does.
            await holding.execute("LOCK TABLE schema_migration IN ACCESS SHARE MODE")
            migrating = asyncio.create_task(run("migrate", database_url=database_url))
            ends_at = time.monotonic() + 4
            while time.monotonic() < ends_at:
                began = time.monotonic()
                await reading.fetch("SELECT name FROM schema_migration")
                longest = max(longest, time.monotonic() - began)
                await asyncio.sleep(0.01)
            assert not migrating.done()
        code, _, errors = await migrating
        assert (code, errors) == (0, "")
        assert await reading.fetchval("SELECT max(compatible_from) FROM schema_migration") == 1
    assert 0.1 < longest < 1
