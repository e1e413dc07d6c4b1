"""The statements on events, marks, organisations and members, each with why it has the shape it has.

Rules for all of them (docs/decisions/0003-schema.md): the organisation is in every predicate on events and marks; no
session state; no `now()` in an upsert's SET; rows that several calls may touch are locked in one order.
"""

from typing import Final

# -- Read marks --------------------------------------------------------------------------------------------------------

# The target is materialised and sorted: unsorted concurrent inserts of the same ids deadlocked in 138 of 240 rounds.
# The counts come from the same statement, so that they are exact and cost no second round trip.
MARK_READ: Final = """
WITH target AS MATERIALIZED (
    SELECT seq FROM system_event WHERE org_key = $1 AND event_id = ANY ($3::bigint[])),
changed AS (
    INSERT INTO read_mark (member_key, org_key, seq)
    SELECT $2, $1, seq FROM target ORDER BY seq
    ON CONFLICT DO NOTHING RETURNING 1)
SELECT (SELECT count(*) FROM changed) AS changed, (SELECT count(*) FROM target) AS matched
"""

# Locks in the order in which MARK_READ inserts, then deletes. `seq = ANY (…)` of the targets alone locks in the order
# of whichever plan PostgreSQL chooses, and deadlocked now and then when that changed; `DELETE … USING` deadlocked up to
# 73 times in 1,300 calls, and a join to a locking CTE took 16 to 25 s for 10,000 ids on stale statistics.
MARK_UNREAD: Final = """
WITH target AS MATERIALIZED (
    SELECT seq FROM system_event WHERE org_key = $1 AND event_id = ANY ($3::bigint[])),
changed AS (
    DELETE FROM read_mark
     WHERE member_key = $2 AND org_key = $1 AND seq = ANY (ARRAY (
        SELECT locked.seq
          FROM (SELECT seq FROM target ORDER BY seq) t
         CROSS JOIN LATERAL (
            SELECT seq FROM read_mark m
             WHERE m.member_key = $2 AND m.org_key = $1 AND m.seq = t.seq FOR UPDATE) locked)) RETURNING 1)
SELECT (SELECT count(*) FROM changed) AS changed, (SELECT count(*) FROM target) AS matched
"""

# Many calls in one statement. Counts for each call come from UNION ALL and GROUP BY: joining the
# RETURNING rows back is quadratic on stale statistics, 2.5 s for 64 calls of 100 ids against 0.1 to 0.2 s. LATERAL with
# OFFSET 0 holds the planner to one index look-up for each id, whatever it believes about the table's size.
_TOGETHER: Final = """
WITH target AS MATERIALIZED (
    SELECT i.call, i.member_key, i.org_key, e.seq
      FROM unnest($1::int[], $2::int[], $3::bigint[], $4::bigint[]) AS i (call, org_key, member_key, event_id)
     CROSS JOIN LATERAL (
        SELECT seq FROM system_event e WHERE e.org_key = i.org_key AND e.event_id = i.event_id OFFSET 0) e),
changed AS ({change} RETURNING member_key, org_key, seq),
first_call AS (
    SELECT min(call) AS call, sum(new) AS new
      FROM (SELECT call, member_key, org_key, seq, 0 AS new FROM target
            UNION ALL SELECT NULL, member_key, org_key, seq, 1 FROM changed) r
     GROUP BY member_key, org_key, seq)
SELECT call, sum(matched)::int, sum(changed)::int
  FROM (SELECT call, 1 AS matched, 0 AS changed FROM target
        UNION ALL SELECT call, 0, new FROM first_call) c
 GROUP BY call
"""

MARK_READ_TOGETHER: Final = _TOGETHER.replace(
    "{change}",
    """
    INSERT INTO read_mark (member_key, org_key, seq)
    SELECT DISTINCT member_key, org_key, seq FROM target ORDER BY 1, 2, 3
    ON CONFLICT DO NOTHING""",
)

# Locks in the order in which MARK_READ_TOGETHER inserts, then deletes what it has locked by its place: marks are never
# updated, so a locked one stays where it is.
MARK_UNREAD_TOGETHER: Final = _TOGETHER.replace(
    "{change}",
    """
    DELETE FROM read_mark WHERE ctid = ANY (ARRAY (
        SELECT r.place
          FROM (SELECT DISTINCT member_key, org_key, seq FROM target ORDER BY 1, 2, 3) t
         CROSS JOIN LATERAL (
            SELECT ctid AS place FROM read_mark m
             WHERE m.member_key = t.member_key AND m.org_key = t.org_key AND m.seq = t.seq FOR UPDATE) r))""",
)

# In batches, so that no transaction holds a million row locks. In the order of the primary key: calls that still hold
# the member from a cache lock in it too, and a plan kept from when the table was empty then uses its index.
DELETE_MARKS_OF_REMOVED: Final = """
DELETE FROM read_mark
 WHERE ctid = ANY (ARRAY (
    SELECT ctid FROM read_mark WHERE member_key = $1 ORDER BY org_key, seq LIMIT $2 FOR UPDATE))
RETURNING 1
"""

# -- System events -----------------------------------------------------------------------------------------------------

# A statement of its own, before the one that numbers: the snapshot of a single statement predates the lock, and eight
# recorders then left 48 gaps in 3,014 positions.
LOCK_STREAM: Final = "SELECT last_event_id FROM event_stream WHERE org_key = $1 FOR UPDATE"

# Inserts only what is missing, so that recording an id again changes nothing, and numbers only what it inserts, so
# that seq has no gap. Reads the stream's row again: the lock held since LOCK_STREAM keeps it still.
RECORD_EVENTS: Final = """
WITH missing AS MATERIALIZED (
    SELECT i.*, row_number() OVER (ORDER BY i.position) AS nth
      FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
           WITH ORDINALITY AS i (event_id, type, title, payload, occurred_at, position)
     WHERE NOT EXISTS (SELECT FROM system_event e WHERE e.org_key = $1 AND e.event_id = i.event_id)),
inserted AS (
    INSERT INTO system_event (org_key, seq, event_id, type, title, payload, occurred_at)
    SELECT $1, s.last_seq + m.nth, m.event_id, m.type, m.title, m.payload::jsonb, coalesce(m.occurred_at, now())
      FROM missing m, event_stream s
     WHERE s.org_key = $1)
UPDATE event_stream
   SET last_seq = last_seq + (SELECT count(*) FROM missing),
       last_event_id = greatest(last_event_id, (SELECT max(event_id) FROM missing))
 WHERE org_key = $1
"""

# -- Organisations and members -----------------------------------------------------------------------------------------

FIND_ORGANIZATIONS: Final = "SELECT org_id, org_key FROM organization WHERE org_id = ANY ($1::text[])"

# The organisation and its stream come into being together. Sorted, because two producers may name the same new ones.
MAKE_ORGANIZATIONS: Final = """
WITH made AS (
    INSERT INTO organization (org_id)
    SELECT org_id FROM unnest($1::text[]) AS i (org_id) ORDER BY org_id
    ON CONFLICT DO NOTHING RETURNING org_key)
INSERT INTO event_stream (org_key) SELECT org_key FROM made
"""

FIND_MEMBER: Final = "SELECT member_key, org_key FROM member WHERE user_id = $1 AND removed_at IS NULL"

FIND_MEMBERS: Final = "SELECT user_id, member_key FROM member WHERE user_id = ANY ($1::text[]) AND removed_at IS NULL"

FIND_ORG_MEMBERS: Final = """
SELECT user_id, member_key, org_key FROM member
 WHERE user_id = ANY ($2::text[]) AND removed_at IS NULL
   AND org_key = (SELECT org_key FROM organization WHERE org_id = $1)
"""

# For the directory mode `claims`, where rows are made on first sight. Sorted like LOCK_MEMBERS.
MAKE_MEMBERS: Final = """
INSERT INTO member (user_id) SELECT user_id FROM unnest($1::text[]) AS i (user_id) ORDER BY user_id
ON CONFLICT (user_id) WHERE removed_at IS NULL DO NOTHING
"""

# Sorted like LOCK_MEMBERS. A member who is where they should be is not written again.
UPSERT_MEMBERS: Final = """
INSERT INTO member (user_id, org_key)
SELECT user_id, org_key FROM unnest($1::text[], $2::int[]) AS i (user_id, org_key) ORDER BY user_id
ON CONFLICT (user_id) WHERE removed_at IS NULL DO UPDATE SET org_key = EXCLUDED.org_key
 WHERE member.org_key IS DISTINCT FROM EXCLUDED.org_key
"""

# An UPDATE cannot be told an order in which to lock, a SELECT can.
LOCK_MEMBERS: Final = """
SELECT member_key FROM member WHERE user_id = ANY ($1::text[]) AND removed_at IS NULL ORDER BY user_id FOR UPDATE
"""

REMOVE_MEMBERS: Final = "UPDATE member SET removed_at = now() WHERE member_key = ANY ($1::bigint[])"

FIND_REMOVED_MEMBERS: Final = """
SELECT member_key FROM member WHERE removed_at IS NOT NULL AND member_key > $1 ORDER BY member_key LIMIT $2
"""

# The row of a removed member outlives every call that may still hold its key from a cache (5 s, and 5 s for the call),
# so that what such a call writes is found and deleted too.
FORGET_REMOVED_MEMBERS: Final = """
DELETE FROM member
 WHERE removed_at < now() - interval '1 minute' AND member_key = ANY ($1::bigint[])
   AND NOT EXISTS (SELECT FROM read_mark r WHERE r.member_key = member.member_key)
   AND NOT EXISTS (SELECT FROM notification n WHERE n.member_key = member.member_key)
"""

# -- Health ------------------------------------------------------------------------------------------------------------

PING: Final = "SELECT 1"
