"""The statements of erasure. `store/__init__.py` has the rules for all statements."""

from typing import Final

from readstate.store.by_organization import by_place

# -- Who -------------------------------------------------------------------------------------------------------------

# Also those who are removed and not swept yet. Two look-ups, because each has an index of its own.
FIND_USER: Final = """
SELECT member_key, org_key FROM member WHERE user_id = $1 AND removed_at IS NULL
UNION ALL SELECT member_key, org_key FROM member WHERE user_id = $1 AND removed_at IS NOT NULL
 ORDER BY member_key
"""

FIND_ORGANIZATION: Final = "SELECT org_key FROM organization WHERE org_id = $1"

FIND_ORGANIZATIONS: Final = "SELECT org_key FROM event_stream WHERE org_key > $1 ORDER BY org_key LIMIT $2"

FIND_MEMBERS: Final = """
SELECT member_key, org_key IS NOT DISTINCT FROM $1 AS belongs FROM member
 WHERE member_key > $2 ORDER BY member_key LIMIT $3
"""

# From here on nobody finds them. Servers may hold their key for a minute more: the sweep of removed members
# (`store/members.py`) finds what comes of that, and deletes the row, which names nobody, after that.
REMOVE: Final = """
UPDATE member SET removed_at = least(removed_at, now()) WHERE member_key = ANY ($1::bigint[])
"""
UNNAME: Final = "UPDATE member SET user_id = '' WHERE member_key = ANY ($1::bigint[]) AND removed_at IS NOT NULL"

TAKE_OUT: Final = """
UPDATE member SET org_key = NULL WHERE member_key = ANY ($1::bigint[]) AND org_key = $2 AND removed_at IS NULL
RETURNING 1
"""

# Those who are in no other organisation than this one, and have nothing in another.
FIND_EMPTY: Final = """
SELECT member_key FROM member m
 WHERE m.member_key = ANY ($1::bigint[]) AND (m.org_key IS NULL OR m.org_key = $2)
   AND NOT EXISTS (SELECT FROM read_cursor c WHERE c.member_key = m.member_key AND c.org_key <> $2)
   AND NOT EXISTS (SELECT FROM notification_cursor c WHERE c.member_key = m.member_key AND c.org_key <> $2)
"""

# The same on a database that is sharded by organisation, where members are on every node.
FIND_OUTSIDE: Final = """
SELECT member_key FROM member WHERE member_key = ANY ($1::bigint[]) AND (org_key IS NULL OR org_key = $2)
 ORDER BY member_key
"""
FIND_READERS_ELSEWHERE: Final = """
SELECT DISTINCT member_key FROM read_cursor WHERE member_key = ANY ($1::bigint[]) AND org_key <> $2
"""
FIND_NOTIFIED_ELSEWHERE: Final = FIND_READERS_ELSEWHERE.replace("read_cursor", "notification_cursor")

# -- What is theirs ----------------------------------------------------------------------------------------------------

ORGANIZATIONS_OF: Final = """
SELECT org_key FROM read_cursor WHERE member_key = ANY ($1::bigint[])
UNION SELECT org_key FROM notification_cursor WHERE member_key = ANY ($1::bigint[])
 ORDER BY org_key
"""

FIND_READERS: Final = """
SELECT member_key FROM read_cursor WHERE org_key = $1 AND member_key > $2 ORDER BY member_key LIMIT $3
"""
FIND_NOTIFIED: Final = FIND_READERS.replace("read_cursor", "notification_cursor")

TABLES_OF: Final = {
    FIND_READERS: ("read_mark", "read_cursor"),
    FIND_NOTIFIED: ("notification", "notification_cursor"),
}
"""What is counted with each page."""

LOCK_READERS: Final = """
SELECT FROM read_cursor WHERE org_key = $1 AND member_key = ANY ($2::bigint[]) ORDER BY member_key FOR UPDATE
"""
LOCK_NOTIFIED: Final = LOCK_READERS.replace("read_cursor", "notification_cursor")

# Under the locks, in a statement of its own: at most $3 rows of each member. A cursor counts what is left, and goes
# with the last row. So counts are right in between, also where the work breaks off. Rows go by their place: see
# marks/sql.py.
_ERASE: Final = """
WITH doomed AS MATERIALIZED (
    SELECT i.member_key, r.*
      FROM unnest($2::bigint[]) AS i (member_key)
     CROSS JOIN LATERAL (
        SELECT tableoid AS part, ctid AS place, {flags} FROM {table} r
         WHERE r.member_key = i.member_key AND r.org_key = $1 ORDER BY r.seq LIMIT $3::int) r),
gone AS (
    DELETE FROM {table}
     WHERE {shard}ctid = ANY (ARRAY (SELECT place FROM doomed))
       AND ((tableoid, ctid) IN (SELECT part, place FROM doomed)) IS TRUE),
counted AS MATERIALIZED (
    SELECT i.member_key, count(d.place)::int AS rows, {counts}
      FROM unnest($2::bigint[]) AS i (member_key) LEFT JOIN doomed d USING (member_key) GROUP BY 1),
lessened AS (
    UPDATE {cursor} c SET version = c.version + 1, {lessened}
      FROM counted n
     WHERE c.org_key = $1 AND c.member_key = ANY ($2) AND c.member_key = n.member_key AND n.rows = $3),
ended AS (
    DELETE FROM {cursor} c USING counted n
     WHERE c.org_key = $1 AND c.member_key = ANY ($2) AND c.member_key = n.member_key AND n.rows < $3
    RETURNING 1)
SELECT sum(rows)::int AS rows, (SELECT count(*) FROM ended)::int AS cursors,
       coalesce(array_agg(member_key) FILTER (WHERE rows = $3), '{}') AS more
  FROM counted
"""
# A row of what is pruned counts no more once its cursor is settled.
_COUNTS: Final = """
               r.seq > (SELECT c.pruned_seq FROM read_cursor c
                         WHERE c.org_key = $1 AND c.member_key = i.member_key) AS read"""
ERASE_MARKS: Final = by_place(
    _ERASE.replace("{table}", "read_mark")
    .replace("{cursor}", "read_cursor")
    .replace("{flags}", _COUNTS)
    .replace("{counts}", "count(*) FILTER (WHERE d.read) AS read")
    .replace("{lessened}", "read_count = c.read_count - n.read")
)
ERASE_NOTIFICATIONS: Final = by_place(
    _ERASE.replace("{table}", "notification")
    .replace("{cursor}", "notification_cursor")
    .replace(
        "{flags}",
        "dismissed_at IS NULL AND seen_at IS NULL AS unseen, dismissed_at IS NULL AND read_at IS NULL AS unread",
    )
    .replace("{counts}", "count(*) FILTER (WHERE d.unseen) AS unseen, count(*) FILTER (WHERE d.unread) AS unread")
    .replace("{lessened}", "unseen = c.unseen - n.unseen, unread = c.unread - n.unread")
)

COUNT_OF: Final = """
SELECT (SELECT count(*) FROM read_mark WHERE member_key = ANY ($1::bigint[]) AND (org_key = $2 OR $2 IS NULL))
           AS read_mark,
       (SELECT count(*) FROM read_cursor WHERE member_key = ANY ($1) AND (org_key = $2 OR $2 IS NULL)) AS read_cursor,
       (SELECT count(*) FROM notification WHERE member_key = ANY ($1) AND (org_key = $2 OR $2 IS NULL))
           AS notification,
       (SELECT count(*) FROM notification_cursor WHERE member_key = ANY ($1) AND (org_key = $2 OR $2 IS NULL))
           AS notification_cursor
"""
COUNT_EVENTS: Final = "SELECT last_seq - pruned_seq AS events FROM event_stream WHERE org_key = $1"

# -- Tickets for streams ----------------------------------------------------------------------------------------------

# No index finds a user: the table holds what was issued in the last minute. With $2 only those whose token named this
# organisation.
_OF_USER_IN: Final = "FROM watch_ticket WHERE user_id = $1 AND (org_id = $2::text OR $2 IS NULL)"
_COUNTED: Final = " RETURNING 1) SELECT count(*)::int AS tickets FROM gone"
COUNT_TICKETS: Final = "SELECT count(*)::int AS tickets " + _OF_USER_IN
ERASE_TICKETS: Final = "WITH gone AS (DELETE " + _OF_USER_IN + _COUNTED

# Those whose token named the organisation, and those of its members.
_OF_ORGANIZATION: Final = """
FROM watch_ticket t
 WHERE t.org_id = $1
    OR (SELECT m.org_key FROM member m WHERE m.user_id = t.user_id AND m.removed_at IS NULL) = $2
"""
COUNT_TICKETS_OF_ORGANIZATION: Final = "SELECT count(*)::int AS tickets " + _OF_ORGANIZATION
ERASE_TICKETS_OF_ORGANIZATION: Final = "WITH gone AS (DELETE " + _OF_ORGANIZATION + _COUNTED

# The same on a sharded database, where tickets are a table of one node, and members are on every node: who has tickets,
# who of them is a member, and then the tickets.
FIND_TICKET_USERS: Final = "SELECT DISTINCT user_id FROM watch_ticket"
FIND_USERS_OF: Final = """
SELECT user_id FROM member WHERE user_id = ANY ($1::text[]) AND org_key = $2 AND removed_at IS NULL
"""
_OF_ORGANIZATION_OR_USERS: Final = "FROM watch_ticket WHERE org_id = $1 OR user_id = ANY ($2::text[])"
COUNT_TICKETS_OF_USERS: Final = "SELECT count(*)::int AS tickets " + _OF_ORGANIZATION_OR_USERS
ERASE_TICKETS_OF_USERS: Final = "WITH gone AS (DELETE " + _OF_ORGANIZATION_OR_USERS + _COUNTED

# -- Replies kept under idempotency keys -------------------------------------------------------------------------------

# The organisations that have any, by steps from one to the next: the key's index begins with them.
FIND_KEY_ORGANIZATIONS: Final = """
WITH RECURSIVE org AS (
    (SELECT org_key FROM idempotency_key ORDER BY org_key LIMIT 1)
    UNION ALL
    SELECT (SELECT k.org_key FROM idempotency_key k WHERE k.org_key > o.org_key ORDER BY k.org_key LIMIT 1)
      FROM org o WHERE o.org_key IS NOT NULL)
SELECT org_key FROM org WHERE org_key IS NOT NULL
"""
# The same on a sharded database: the organisations of each shard, read from end to end.
FIND_ALL_KEY_ORGANIZATIONS: Final = "SELECT DISTINCT org_key FROM idempotency_key ORDER BY org_key"

COUNT_KEYS: Final = """
SELECT count(*)::int AS keys FROM idempotency_key WHERE org_key = $1 AND (user_id = $2::text OR $2 IS NULL)
"""
ERASE_KEYS: Final = by_place("""
WITH doomed AS MATERIALIZED (
    SELECT tableoid AS part, ctid AS place FROM idempotency_key
     WHERE org_key = $1 AND (user_id = $2::text OR $2 IS NULL) ORDER BY user_id, key LIMIT $3 FOR UPDATE)
DELETE FROM idempotency_key
 WHERE {shard}ctid = ANY (ARRAY (SELECT place FROM doomed))
   AND ((tableoid, ctid) IN (SELECT part, place FROM doomed)) IS TRUE
RETURNING 1
""")

# -- What names them ---------------------------------------------------------------------------------------------------

# The subject of an event may be anything. It is a user where the type says so, as in `user.created`.
_OF_USER: Final = "split_part(type, '.', 1) IN ('user', 'usersettings', 'workspaceuser')"

# No index finds an actor or a sender: one would cost every record. A step reads the next rows and returns the last of
# them. `{change}` is left out where they are only counted.
_NAMED_EVENTS: Final = """
WITH next AS MATERIALIZED (
    SELECT seq, coalesce(actor_id = $4, false) OR coalesce(
               subject_id = $4 AND {of_user}, false) AS named
      FROM system_event WHERE org_key = $1 AND seq > $2::int ORDER BY seq LIMIT $3){change}
SELECT max(seq) AS last, (count(*) FILTER (WHERE named))::int AS named FROM next
"""
COUNT_NAMED_EVENTS: Final = _NAMED_EVENTS.replace("{change}", "").replace("{of_user}", _OF_USER)
UNNAME_EVENTS: Final = _NAMED_EVENTS.replace(
    "{change}",
    """,
changed AS (
    UPDATE system_event
       SET payload = CASE WHEN actor_id = $4 AND jsonb_typeof(payload) = 'object'
                          THEN payload - 'actor' ELSE payload END,
           actor_id = nullif(actor_id, $4),
           subject_id = CASE WHEN {of_user} THEN nullif(subject_id, $4) ELSE subject_id END
     WHERE org_key = $1 AND seq = ANY (ARRAY (SELECT seq FROM next WHERE named)))""",
).replace("{of_user}", _OF_USER)
_NAMED_NOTIFICATIONS: Final = """
WITH next AS MATERIALIZED (
    SELECT id, coalesce(sender ->> 'type' = 'user' AND sender ->> 'id' = $4, false) AS sender,
           coalesce(resource ->> 'type' = 'user' AND resource ->> 'id' = $4, false) AS resource
      FROM notification WHERE org_key = $1 AND id > $2 ORDER BY id LIMIT $3){change}
SELECT max(id) AS last, (count(*) FILTER (WHERE sender OR resource))::int AS named FROM next
"""
COUNT_NAMED_NOTIFICATIONS: Final = _NAMED_NOTIFICATIONS.replace("{change}", "")
UNNAME_NOTIFICATIONS: Final = _NAMED_NOTIFICATIONS.replace(
    "{change}",
    """,
changed AS (
    UPDATE notification
       SET sender = CASE WHEN id = ANY (ARRAY (SELECT id FROM next WHERE sender)) THEN NULL ELSE sender END,
           resource = CASE WHEN id = ANY (ARRAY (SELECT id FROM next WHERE resource)) THEN NULL ELSE resource END
     WHERE org_key = $1 AND id = ANY (ARRAY (SELECT id FROM next WHERE sender OR resource)))""",
)

# -- The end of an organisation ----------------------------------------------------------------------------------------

# Under the stream's lock, and only if the stream is empty. The rows of its streams stay: they are numbers that nobody
# can name any more, and servers may still hold the key.
END_ORGANIZATION: Final = """
DELETE FROM organization o
 WHERE o.org_key = $1 AND EXISTS (SELECT FROM event_stream s WHERE s.org_key = $1 AND s.pruned_seq = s.last_seq)
RETURNING 1
"""

# The same on a sharded database.
FIND_EMPTY_STREAM: Final = "SELECT FROM event_stream WHERE org_key = $1 AND pruned_seq = last_seq"
DELETE_ORGANIZATION: Final = "DELETE FROM organization WHERE org_key = $1 RETURNING 1"

# What servers have written with a key that they still held.
FIND_ENDED: Final = """
SELECT s.org_key FROM event_stream s
 WHERE NOT EXISTS (SELECT FROM organization o WHERE o.org_key = s.org_key)
   AND (EXISTS (SELECT FROM read_cursor c WHERE c.org_key = s.org_key)
        OR EXISTS (SELECT FROM notification_cursor c WHERE c.org_key = s.org_key)
        OR EXISTS (SELECT FROM idempotency_key k WHERE k.org_key = s.org_key))
 ORDER BY s.org_key
"""
