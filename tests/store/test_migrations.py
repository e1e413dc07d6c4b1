"""Bringing a database to this release's schema."""

import asyncio

import asyncpg
import pytest

from readstate.errors import StartupError
from readstate.store import migrate as migrations
from readstate.store.citus import distribute
from readstate.store.migrate import migrate
from readstate.store.read_cursor.finish import finish
from readstate.store.schema import require_usable


async def test_two_at_once_apply_each_migration_once(empty_database_url: str) -> None:
    applied = await asyncio.gather(*(migrate(empty_database_url) for _ in range(2)))
    assert sorted(applied)[0] == []
    assert len(sorted(applied)[1]) >= 2
    assert await migrate(empty_database_url) == []


async def test_the_roles_defaults_hold_in_new_sessions(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        found = {
            name: await connection.fetchval(f"SHOW {name}") for name in ("statement_timeout", "lock_timeout", "jit")
        }
    finally:
        await connection.close()
    assert found == {"statement_timeout": "5s", "lock_timeout": "1s", "jit": "off"}


async def test_a_database_that_is_ahead_is_left_alone(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("INSERT INTO schema_migration (name) VALUES ('9999_of_a_later_release')")
        assert await migrate(database_url) == []
        assert await connection.fetchval("SELECT count(*) FROM schema_migration WHERE name LIKE '9999%'") == 1
    finally:
        await connection.close()


async def test_which_servers_a_migration_leaves_working_is_recorded(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    latest = {
        "9998_adds": "SELECT 1",
        "9999_drops": "-- Nobody reads it since 9998.\n-- compatible from: 9998\nSELECT 1",
    }
    known = migrations.migrations() | latest
    monkeypatch.setattr(migrations, "migrations", lambda: known)
    assert await migrate(database_url) == list(latest)
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch("SELECT name, compatible_from FROM schema_migration WHERE name LIKE '999%'")
    finally:
        await connection.close()
    assert {row["name"]: row["compatible_from"] for row in rows} == {"9998_adds": 1, "9999_drops": 9998}


async def test_once_the_upgrade_to_cursors_is_finished_servers_must_know_of_them(database_url: str) -> None:
    await finish(database_url)
    connection = await asyncpg.connect(database_url)
    try:
        assert await connection.fetchval("SELECT max(compatible_from) FROM schema_migration") == 3
    finally:
        await connection.close()
    await require_usable(database_url, "mixed")


async def test_tables_are_spread_only_where_citus_is(database_url: str) -> None:
    with pytest.raises(StartupError, match="no extension citus"):
        await distribute(database_url)
