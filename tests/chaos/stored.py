"""What the database holds after a load, read in one snapshot, by statements that the service does not use."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import asyncpg

Connection: TypeAlias = "asyncpg.Connection[Any]"

# Rows and ranges, position by position: one that is in both comes twice.
READ: Final = """
SELECT u.user_id, u.org_key IS NOT DISTINCT FROM r.org_key AS own, e.event_id
  FROM (SELECT member_key, org_key, seq FROM read_mark
        UNION ALL
        SELECT member_key, org_key, seq
          FROM read_cursor, unnest(all_read) AS one, generate_series(lower(one), upper(one) - 1) AS seq) r
  LEFT JOIN member u USING (member_key)
  LEFT JOIN system_event e ON e.org_key = r.org_key AND e.seq = r.seq
"""

# What the service would tell, and what a look at every event finds.
UNREAD: Final = """
SELECT u.user_id, s.last_seq - coalesce(c.read_count, s.pruned_seq) AS told,
       (SELECT count(*) FROM system_event e
         WHERE e.org_key = u.org_key AND NOT coalesce(c.all_read @> e.seq, false)
           AND NOT EXISTS (SELECT FROM read_mark m
                            WHERE m.member_key = u.member_key AND m.org_key = e.org_key AND m.seq = e.seq)) AS found
  FROM member u
  JOIN event_stream s ON s.org_key = u.org_key
  LEFT JOIN read_cursor c ON c.org_key = u.org_key AND c.member_key = u.member_key
 WHERE u.removed_at IS NULL
"""

NOTIFICATIONS: Final = """
SELECT n.title, n.id, n.seq, u.user_id, o.org_id, u.org_key IS NOT DISTINCT FROM n.org_key AS own
  FROM notification n
  LEFT JOIN member u USING (member_key)
  LEFT JOIN organization o ON o.org_key = n.org_key
"""


@dataclass(frozen=True, slots=True)
class ReadEvent:
    """One position that counts as read. A None names nobody, or nothing."""

    user_id: str | None
    event_id: int | None
    own: bool
    """Whether it lies in the member's organisation."""


@dataclass(frozen=True, slots=True)
class Unread:
    """How much a member has not read: as the service counts, and as a full scan does."""

    user_id: str
    told: int
    found: int


@dataclass(frozen=True, slots=True)
class StoredNotification:
    title: str
    id: str
    seq: int
    """One for each creation in an organisation."""
    user_id: str | None
    org_id: str | None
    own: bool
    """Whether it lies in the member's organisation."""


@dataclass(frozen=True, slots=True)
class Stored:
    """All of it, at one moment."""

    read: Sequence[ReadEvent]
    unread: Sequence[Unread]
    notifications: Sequence[StoredNotification]


async def read_back(connection: Connection) -> Stored:
    """What is stored now. The role's statement timeout, which is right for calls, is lifted."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute("SET LOCAL statement_timeout = 0")
        return Stored(
            read=[ReadEvent(**row) for row in await connection.fetch(READ)],
            unread=[Unread(**row) for row in await connection.fetch(UNREAD)],
            notifications=[StoredNotification(**row) for row in await connection.fetch(NOTIFICATIONS)],
        )
