"""Organisations: text from outside ↔ our integer for it."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from readstate.errors import DatabaseUnavailable
from readstate.store.pool import Connection

FIND_ORGANIZATIONS: Final = "SELECT org_id, org_key FROM organization WHERE org_id = ANY ($1::text[])"

FIND_ORGANIZATION: Final = "SELECT org_id FROM organization WHERE org_key = $1"

# The organisation and its stream come into being together. Sorted, because two producers may name the same new ones.
MAKE_ORGANIZATIONS: Final = """
WITH made AS (
    INSERT INTO organization (org_id)
    SELECT org_id FROM unnest($1::text[]) AS i (org_id) ORDER BY org_id
    ON CONFLICT DO NOTHING RETURNING org_key)
INSERT INTO event_stream (org_key) SELECT org_key FROM made
"""

# The same where organisations are on every node and streams are sharded: one by one, in a transaction.
MAKE_ORGANIZATION: Final = "INSERT INTO organization (org_id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING org_key"
MAKE_STREAM: Final = "INSERT INTO event_stream (org_key) VALUES ($1)"


class Organization(NamedTuple):
    """An organisation by both of its names. Whoever keeps them compares them in the statement that writes: a fail-over
    may have lost the organisation, and given its key to another one."""

    key: int
    org_id: str


class OrganizationGone(DatabaseUnavailable):
    """This key is not this organisation's any more: it was erased, or a fail-over has lost it. Nothing was done. The
    same name may have another key by now."""


async def org_keys(connection: Connection, org_ids: Iterable[str]) -> dict[str, int]:
    """The key of each organisation; those that nobody has named before are made.

    Safe to repeat: what exists is found. Keys never change, and go only with an organisation that is erased, or that a
    fail-over loses. Who keeps a key forgets it after a fail-over, or writes with an `Organization`.
    """
    wanted = sorted(set(org_ids))
    found = await _find(connection, wanted)
    missing = [org_id for org_id in wanted if org_id not in found]
    if missing:
        make = _make if connection.batch == "mixed" else _make_one_by_one
        await make(connection, missing)
        # Looked up again: another call may have made some of them meanwhile, and ON CONFLICT returns only our own.
        found |= await _find(connection, missing)
    return found


async def _make(connection: Connection, org_ids: list[str]) -> None:
    await connection.rows(MAKE_ORGANIZATIONS, org_ids)


async def _make_one_by_one(connection: Connection, org_ids: list[str]) -> None:
    async with connection.transaction():
        for org_id in org_ids:
            for made in await connection.rows(MAKE_ORGANIZATION, org_id):
                await connection.rows(MAKE_STREAM, made["org_key"])


async def _find(connection: Connection, org_ids: list[str]) -> dict[str, int]:
    rows = await connection.rows(FIND_ORGANIZATIONS, org_ids)
    return {row["org_id"]: row["org_key"] for row in rows}
