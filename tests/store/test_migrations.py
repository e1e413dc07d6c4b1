"""Bringing a database to this release's schema."""

import asyncio

import asyncpg

from readstate.store.migrate import migrate


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
