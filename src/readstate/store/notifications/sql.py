"""The statements on notifications. `store/__init__.py` has the rules for all statements."""

from typing import Final

from readstate.model import Notification
from readstate.store.by_organization import OnOrganizations
from readstate.store.marks.sql import DELETE_MARKS_OF_REMOVED

_COLUMNS: Final = ", ".join(Notification._fields)

# -- Cursors -----------------------------------------------------------------------------------------------------------

# A member's cursor holds the counts of the summary and is the lock of their notifications, as a read cursor is of marks
# (`store/read_cursor`). Before the upgrade to cursors has begun there is none, and actions do without.

LOCK_CURSOR: Final = "SELECT FROM notification_cursor WHERE org_key = $2 AND member_key = $1 FOR UPDATE"

_COUNTS: Final = """
    SELECT count(*) FILTER (WHERE seen_at IS NULL)::int AS unseen, count(*)::int AS unread
      FROM notification n
     WHERE n.member_key = i.member_key AND n.org_key = i.org_key AND n.read_at IS NULL AND n.dismissed_at IS NULL"""

# Nobody changes a member's notifications without a cursor once the upgrade has begun: the counts hold until this one is
# there, whoever makes it.
MAKE_CURSORS: Final = OnOrganizations(
    together="""
INSERT INTO notification_cursor (org_key, member_key, version, unseen, unread)
SELECT i.org_key, i.member_key, 0, n.unseen, n.unread
  FROM unnest($1::int[], $2::bigint[]) AS i (org_key, member_key)
 CROSS JOIN LATERAL ({counts}) n
 WHERE EXISTS (SELECT FROM migration_phase WHERE name = 'cursors_kept')
 ORDER BY 1, 2
ON CONFLICT (org_key, member_key) DO NOTHING
RETURNING org_key, member_key
""".replace("{counts}", _COUNTS),
    # When the upgrade is finished: whoever has no cursor has no notification.
    each="""
INSERT INTO notification_cursor (org_key, member_key, version, unseen, unread)
SELECT s.org_key, i.member_key, 0, 0, 0
  FROM event_stream s CROSS JOIN unnest($2::bigint[]) AS i (member_key)
 WHERE s.org_key = $1
 ORDER BY 2
ON CONFLICT (org_key, member_key) DO NOTHING
RETURNING org_key, member_key
""",
)

UNREAD_SUMMARY: Final = """
SELECT unseen, unread, version FROM notification_cursor WHERE org_key = $2 AND member_key = $1
"""

# Where there is no cursor, and the upgrade is not finished. Unread includes unseen, because what is read has been seen.
COUNT_UNREAD: Final = """
SELECT n.unseen, n.unread, 0 AS version
  FROM (SELECT $1::bigint AS member_key, $2::int AS org_key) i
 CROSS JOIN LATERAL ({counts}) n
""".replace("{counts}", _COUNTS)

# -- Creating and reading ----------------------------------------------------------------------------------------------

# One statement for all rows. The stream's row is locked first and its value is read under the lock, where the snapshot
# does not matter; the clock is read there too, so that times follow the order of the list. $4 to $9 are the fields of
# NotificationContent in their order: they are named here once more, because two of them need a cast. The cursors come
# last, in the order of their key. A recipient's first one counts what they have from before the upgrade.
CREATE_NOTIFICATIONS: Final = """
WITH stream AS (
    INSERT INTO notification_stream AS s (org_key, last_seq) VALUES ($1, 1)
    ON CONFLICT (org_key) DO UPDATE SET last_seq = s.last_seq + 1
    RETURNING last_seq, clock_timestamp() AS created_at),
counted AS (
    INSERT INTO notification_cursor AS c (org_key, member_key, version, unseen, unread)
    SELECT i.org_key, i.member_key, 1, 1 + n.unseen, 1 + n.unread
      FROM (SELECT $1 AS org_key, member_key FROM unnest($2::bigint[]) AS r (member_key)) i
     CROSS JOIN LATERAL ({counts}
       AND NOT EXISTS (SELECT FROM migration_phase WHERE name = 'cursors_finished')) n
     WHERE EXISTS (SELECT FROM migration_phase WHERE name = 'cursors_kept')
     ORDER BY 2
    ON CONFLICT (org_key, member_key)
    DO UPDATE SET version = c.version + 1, unseen = c.unseen + 1, unread = c.unread + 1)
INSERT INTO notification (member_key, org_key, seq, created_at, updated_at, id,
                          category, title, body, priority, sender, resource)
SELECT r.member_key, $1, s.last_seq, s.created_at, s.created_at, r.id,
       $4, $5, $6, $7, $8::jsonb, $9::jsonb
  FROM unnest($2::bigint[], $3::text[]) AS r (member_key, id), stream s
""".replace("{counts}", _COUNTS)

# The same for a database that is sharded by organisation, in a transaction. The clock is that of the second statement,
# which begins under the lock of the first. The upgrade to cursors is finished there.
RAISE_STREAM: Final = """
INSERT INTO notification_stream AS s (org_key, last_seq) VALUES ($1, 1)
ON CONFLICT (org_key) DO UPDATE SET last_seq = s.last_seq + 1
"""
INSERT_NOTIFICATIONS: Final = """
INSERT INTO notification (member_key, org_key, seq, created_at, updated_at, id,
                          category, title, body, priority, sender, resource)
SELECT r.member_key, s.org_key, s.last_seq, statement_timestamp(), statement_timestamp(), r.id,
       $4, $5, $6, $7, $8::jsonb, $9::jsonb
  FROM notification_stream s CROSS JOIN unnest($2::bigint[], $3::text[]) AS r (member_key, id)
 WHERE s.org_key = $1
"""
COUNT_CREATED: Final = """
INSERT INTO notification_cursor AS c (org_key, member_key, version, unseen, unread)
SELECT s.org_key, r.member_key, 1, 1, 1
  FROM notification_stream s CROSS JOIN unnest($2::bigint[]) AS r (member_key)
 WHERE s.org_key = $1
 ORDER BY 2
ON CONFLICT (org_key, member_key)
DO UPDATE SET version = c.version + 1, unseen = c.unseen + 1, unread = c.unread + 1
"""

FIND_NOTIFICATION: Final = f"""
SELECT {_COLUMNS} FROM notification WHERE member_key = $1 AND org_key = $2 AND id = $3
"""  # noqa: S608 - put together from constants

# Keyset pages. One statement for each status: only a predicate that the planner sees lets it take a partial index. Who
# caused a notification and what it leads to are documents. To write a hundred of them as text was half of what the
# database did for a page, so that is done only for whoever asks.
_INCLUDED: Final = {
    "sender": "CASE WHEN $6 THEN sender END AS sender",
    "resource": "CASE WHEN $7 THEN resource END AS resource",
}
_LIST: Final = f"""
SELECT {", ".join(_INCLUDED.get(name, name) for name in Notification._fields)} FROM notification
 WHERE member_key = $1 AND org_key = $2 AND seq < $3 AND ($4::text IS NULL OR category = $4) AND {{status}}
 ORDER BY seq DESC LIMIT $5
"""  # noqa: S608

LIST_FEED: Final = _LIST.replace("{status}", "dismissed_at IS NULL")
LIST_UNSEEN: Final = _LIST.replace("{status}", "seen_at IS NULL AND dismissed_at IS NULL")
LIST_SEEN: Final = _LIST.replace("{status}", "seen_at IS NOT NULL AND read_at IS NULL AND dismissed_at IS NULL")
LIST_READ: Final = _LIST.replace("{status}", "read_at IS NOT NULL AND dismissed_at IS NULL")
LIST_DISMISSED: Final = _LIST.replace("{status}", "dismissed_at IS NOT NULL")

# -- Actions -----------------------------------------------------------------------------------------------------------


def _seen(action: str) -> str:
    """The action that marks as seen."""
    return (
        action.replace("{set}", "seen_at = greatest(updated_at, statement_timestamp())")
        .replace("{unset}", "seen_at IS NULL")
        .replace("{leaves_unread}", "false")
    )


def _read(action: str) -> str:
    """The action that marks as read, and as seen."""
    return (
        action.replace(
            "{set}",
            """read_at = greatest(updated_at, statement_timestamp()),
           seen_at = least(seen_at, greatest(updated_at, statement_timestamp()))""",
        )
        .replace("{unset}", "read_at IS NULL")
        .replace("{leaves_unread}", "true")
    )


# The cursor is locked first, or else its absence must be right: `ready` says so, and nothing is found without it. The
# row is locked before it is judged: what `found` returns is its latest version, not the snapshot's, so that the reply
# to a call that waited for another one is what that one left. Nothing is written where nothing changes.
# statement_timestamp() is one value for every column; greatest() keeps the times in order when another call, which has
# begun later, was faster, and when the clock goes back. The id stands in the UPDATE too: without it a plan kept from
# when the table was empty read every notification of the organisation, 2.3 s a call at a million. least() passes over
# NULL, and no `seen_at` is later than `updated_at`: COALESCE would do, but see `store/by_organization.py`.
_CHANGE: Final = """
WITH cursor AS MATERIALIZED (
    SELECT version FROM notification_cursor WHERE org_key = $2 AND member_key = $1 FOR UPDATE),
ready AS MATERIALIZED (
    SELECT EXISTS (SELECT FROM cursor)
        OR NOT EXISTS (SELECT FROM migration_phase WHERE name = 'cursors_kept') AS ready),
found AS MATERIALIZED (
    SELECT {columns} FROM notification
     WHERE (SELECT ready FROM ready) AND member_key = $1 AND org_key = $2 AND id = $3 FOR UPDATE),
changed AS (
    UPDATE notification
       SET {set}, updated_at = greatest(updated_at, statement_timestamp())
     WHERE member_key = $1 AND org_key = $2 AND id = $3
       AND seq = (SELECT seq FROM found WHERE {unset} AND dismissed_at IS NULL)
    RETURNING {columns}),
counted AS (
    UPDATE notification_cursor c
       SET version = c.version + 1,
           unseen = c.unseen - (SELECT (seen_at IS NULL)::int FROM found),
           unread = c.unread - (SELECT (read_at IS NULL AND {leaves_unread})::int FROM found)
     WHERE org_key = $2 AND member_key = $1 AND EXISTS (SELECT FROM changed))
SELECT * FROM changed UNION ALL SELECT * FROM found WHERE NOT EXISTS (SELECT FROM changed)
""".replace("{columns}", _COLUMNS)

MARK_SEEN: Final = _seen(_CHANGE)
MARK_READ: Final = _read(_CHANGE)
DISMISS: Final = (
    _CHANGE.replace("{set}", "dismissed_at = greatest(updated_at, statement_timestamp())")
    .replace("{unset}", "dismissed_at IS NULL")
    .replace("{leaves_unread}", "true")
)

# What an action on all may reach: `up_to` and older, or all that is committed.
FIND_NEWEST: Final = """
SELECT CASE WHEN $3::text IS NULL THEN (SELECT last_seq FROM notification_stream WHERE org_key = $2)
            ELSE (SELECT seq FROM notification WHERE member_key = $1 AND org_key = $2 AND id = $3) END AS seq
"""

# One step of an action on all, from the oldest on: after LOCK_CURSOR, in a statement of its own. The rows are locked in
# one order, and judged again under their locks: servers of the release before lock no cursor. The bounds beside the
# array: on stale statistics a plan read all of a member's rows for each step, 4.5 s with 150,000.
_CHANGE_ALL: Final = """
WITH chosen AS MATERIALIZED (
    SELECT seq, seen_at FROM notification
     WHERE member_key = $1 AND org_key = $2 AND {unset} AND dismissed_at IS NULL AND seq > $3 AND seq <= $4
     ORDER BY seq LIMIT $5 FOR UPDATE),
changed AS (
    UPDATE notification
       SET {set}, updated_at = greatest(updated_at, statement_timestamp())
     WHERE member_key = $1 AND org_key = $2 AND seq = ANY (ARRAY (SELECT seq FROM chosen))
       AND seq > $3 AND seq <= (SELECT max(seq) FROM chosen)
    RETURNING 1),
counted AS (
    UPDATE notification_cursor c
       SET version = c.version + 1,
           unseen = c.unseen - (SELECT count(*) FROM chosen WHERE seen_at IS NULL),
           unread = c.unread - (SELECT count(*) FROM changed WHERE {leaves_unread})
     WHERE org_key = $2 AND member_key = $1 AND EXISTS (SELECT FROM changed))
SELECT (SELECT count(*) FROM changed)::int AS changed, max(seq) AS last FROM chosen
"""

MARK_ALL_SEEN: Final = _seen(_CHANGE_ALL)
MARK_ALL_READ: Final = _read(_CHANGE_ALL)

DELETE_NOTIFICATIONS_OF_REMOVED: Final = DELETE_MARKS_OF_REMOVED.replace("read_mark", "notification").replace(
    "read_cursor", "notification_cursor"
)
