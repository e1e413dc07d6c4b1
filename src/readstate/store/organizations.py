"""Organisations: text from outside ↔ our integer for it."""

from collections.abc import Iterable

from readstate.store import sql
from readstate.store.pool import Connection


async def org_keys(connection: Connection, org_ids: Iterable[str]) -> dict[str, int]:
    """The key of each organisation; those that nobody has named before are made.

    Safe to repeat: what exists is found. Keys never change and are never removed, so a caller may keep them.
    """
    wanted = sorted(set(org_ids))
    found = await _find(connection, wanted)
    missing = [org_id for org_id in wanted if org_id not in found]
    if missing:
        await connection.rows(sql.MAKE_ORGANIZATIONS, missing)
        # Looked up again: another call may have made some of them meanwhile, and ON CONFLICT returns only our own.
        found |= await _find(connection, missing)
    return found


async def _find(connection: Connection, org_ids: list[str]) -> dict[str, int]:
    rows = await connection.rows(sql.FIND_ORGANIZATIONS, org_ids)
    return {row["org_id"]: row["org_key"] for row in rows}
