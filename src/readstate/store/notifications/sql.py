"""The statements on notifications. `store/__init__.py` has the rules for all statements."""

from typing import Final

from readstate.model import Notification

_COLUMNS: Final = ", ".join(Notification._fields)

# One statement for all rows. The stream's row is locked first and its value is read under the lock, where the snapshot
# does not matter; the clock is read there too, so that times follow the order of the list. $4 to $9 are the fields of
# NotificationContent in their order: they are named here once more, because two of them need a cast.
CREATE_NOTIFICATIONS: Final = """
WITH stream AS (
    INSERT INTO notification_stream AS s (org_key, last_seq) VALUES ($1, 1)
    ON CONFLICT (org_key) DO UPDATE SET last_seq = s.last_seq + 1
    RETURNING last_seq, clock_timestamp() AS created_at)
INSERT INTO notification (member_key, org_key, seq, created_at, updated_at, id,
                          category, title, body, priority, sender, resource)
SELECT r.member_key, $1, s.last_seq, s.created_at, s.created_at, r.id,
       $4, $5, $6, $7, $8::jsonb, $9::jsonb
  FROM unnest($2::bigint[], $3::text[]) AS r (member_key, id), stream s
"""

FIND_NOTIFICATION: Final = f"""
SELECT {_COLUMNS} FROM notification WHERE member_key = $1 AND org_key = $2 AND id = $3
"""  # noqa: S608 - put together from constants

# Keyset pages. One statement for each status: only a predicate that the planner sees lets it take a partial index.
_LIST: Final = f"""
SELECT {_COLUMNS} FROM notification
 WHERE member_key = $1 AND org_key = $2 AND seq < $3 AND ($4::text IS NULL OR category = $4) AND {{status}}
 ORDER BY seq DESC LIMIT $5
"""  # noqa: S608

LIST_FEED: Final = _LIST.replace("{status}", "dismissed_at IS NULL")
LIST_UNSEEN: Final = _LIST.replace("{status}", "seen_at IS NULL AND dismissed_at IS NULL")
LIST_SEEN: Final = _LIST.replace("{status}", "seen_at IS NOT NULL AND read_at IS NULL AND dismissed_at IS NULL")
LIST_READ: Final = _LIST.replace("{status}", "read_at IS NOT NULL AND dismissed_at IS NULL")
LIST_DISMISSED: Final = _LIST.replace("{status}", "dismissed_at IS NOT NULL")

# Unread includes unseen, because what is read has been seen.
COUNT_UNREAD: Final = """
SELECT count(*) FILTER (WHERE seen_at IS NULL)::int AS unseen, count(*)::int AS unread
  FROM notification
 WHERE member_key = $1 AND org_key = $2 AND read_at IS NULL AND dismissed_at IS NULL
"""

# The row is locked before it is judged: what `found` returns is its latest version, not the snapshot's, so that the
# reply to a call that waited for another one is what that one left. Nothing is written where nothing changes.
# statement_timestamp() is one value for every column; greatest() keeps the times in order when another call, which has
# begun later, was faster, and when the clock goes back. The id stands in the UPDATE too: without it a plan kept from
# when the table was empty read every notification of the organisation, 2.3 s a call at a million.
_CHANGE: Final = f"""
WITH found AS MATERIALIZED (
    SELECT {_COLUMNS} FROM notification WHERE member_key = $1 AND org_key = $2 AND id = $3 FOR UPDATE),
changed AS (
    UPDATE notification
       SET {{set}}, updated_at = greatest(updated_at, statement_timestamp())
     WHERE member_key = $1 AND org_key = $2 AND id = $3
       AND seq = (SELECT seq FROM found WHERE {{unset}} AND dismissed_at IS NULL)
    RETURNING {_COLUMNS})
SELECT * FROM changed UNION ALL SELECT * FROM found WHERE NOT EXISTS (SELECT FROM changed)
"""  # noqa: S608

MARK_SEEN: Final = _CHANGE.replace("{set}", "seen_at = greatest(updated_at, statement_timestamp())").replace(
    "{unset}", "seen_at IS NULL"
)
MARK_READ: Final = _CHANGE.replace(
    "{set}",
    """read_at = greatest(updated_at, statement_timestamp()),
           seen_at = coalesce(seen_at, greatest(updated_at, statement_timestamp()))""",
).replace("{unset}", "read_at IS NULL")
DISMISS: Final = _CHANGE.replace("{set}", "dismissed_at = greatest(updated_at, statement_timestamp())").replace(
    "{unset}", "dismissed_at IS NULL"
)

# Locked in one order, and judged again under the lock. The rows reach the UPDATE as one array, as in
# marks/sql.py: MARK_UNREAD.
MARK_ALL_SEEN: Final = """
WITH up_to AS MATERIALIZED (
    SELECT seq FROM notification WHERE member_key = $1 AND org_key = $2 AND id = $3::text),
changed AS (
    UPDATE notification
       SET seen_at = greatest(updated_at, statement_timestamp()),
           updated_at = greatest(updated_at, statement_timestamp())
     WHERE member_key = $1 AND org_key = $2 AND seq = ANY (ARRAY (
        SELECT seq FROM notification
         WHERE member_key = $1 AND org_key = $2 AND seen_at IS NULL AND dismissed_at IS NULL
           AND seq <= CASE WHEN $3 IS NULL THEN 9223372036854775807 ELSE (SELECT seq FROM up_to) END
         ORDER BY seq FOR UPDATE))
    RETURNING 1)
SELECT (SELECT count(*) FROM changed)::int AS changed, $3 IS NULL OR EXISTS (SELECT FROM up_to) AS found
"""

# As marks/sql.py: DELETE_MARKS_OF_REMOVED.
DELETE_NOTIFICATIONS_OF_REMOVED: Final = """
DELETE FROM notification
 WHERE ctid = ANY (ARRAY (
    SELECT ctid FROM notification WHERE member_key = $1 ORDER BY org_key, seq LIMIT $2 FOR UPDATE))
RETURNING 1
"""
