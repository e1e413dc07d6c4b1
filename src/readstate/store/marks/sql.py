"""The statements on read marks. `store/__init__.py` has the rules for all statements."""

from typing import Final

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
