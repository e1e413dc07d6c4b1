"""The statements that lock, make and settle read cursors."""

from typing import Final

LOCK_CURSOR: Final = "SELECT FROM read_cursor WHERE org_key = $1 AND member_key = $2 FOR UPDATE"

# A statement of its own, before the marks go again: a cursor that another call makes at the same time is waited for,
# and stays. Rows that a member has without a cursor come from before the upgrade, and nobody adds to them until there
# is one. Such a cursor begins at position 0 and is settled like any that is behind. Nothing is made before the upgrade
# has begun: servers of the release before would not keep it.
MAKE_CURSORS: Final = """
INSERT INTO read_cursor (org_key, member_key, version, read_count, pruned_seq, all_read)
SELECT i.org_key, i.member_key, 0,
       CASE WHEN r.rows > 0 THEN r.rows ELSE s.pruned_seq END,
       CASE WHEN r.rows > 0 THEN 0 ELSE s.pruned_seq END,
       CASE WHEN r.rows > 0 OR s.pruned_seq = 0 THEN '{}' ELSE int4multirange(int4range(1, s.pruned_seq + 1)) END
  FROM unnest($1::int[], $2::bigint[]) AS i (org_key, member_key)
 CROSS JOIN LATERAL (SELECT pruned_seq FROM event_stream s WHERE s.org_key = i.org_key OFFSET 0) s
 CROSS JOIN LATERAL (
    SELECT count(*)::int AS rows FROM read_mark m WHERE m.member_key = i.member_key AND m.org_key = i.org_key) r
 WHERE EXISTS (SELECT FROM migration_phase WHERE name = 'cursors_kept')
 ORDER BY 1, 2
ON CONFLICT (org_key, member_key) DO NOTHING
RETURNING org_key, member_key
"""

# Under the lock, in a statement of its own.
SETTLE: Final = """
WITH stream AS MATERIALIZED (
    SELECT pruned_seq, int4multirange(int4range(1, pruned_seq + 1)) AS pruned FROM event_stream WHERE org_key = $1),
gone AS (
    DELETE FROM read_mark WHERE member_key = $2 AND org_key = $1 AND seq <= (SELECT pruned_seq FROM stream)
    RETURNING 1)
UPDATE read_cursor c
   SET version = c.version + 1, pruned_seq = s.pruned_seq, all_read = c.all_read + s.pruned,
       read_count = c.read_count - (SELECT count(*) FROM gone)
                  + (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(s.pruned - c.all_read) AS r)
  FROM stream s
 WHERE c.org_key = $1 AND c.member_key = $2 AND c.pruned_seq < s.pruned_seq
"""

# For members who are new in an organisation, and are to find nothing unread in it. Whoever has a cursor keeps it.
START_READ: Final = """
INSERT INTO read_cursor (org_key, member_key, version, read_count, pruned_seq, all_read)
SELECT i.org_key, i.member_key, 1, s.last_seq, s.pruned_seq, int4multirange(int4range(1, s.last_seq + 1))
  FROM unnest($1::int[], $2::bigint[]) AS i (org_key, member_key)
 CROSS JOIN LATERAL (SELECT last_seq, pruned_seq FROM event_stream s WHERE s.org_key = i.org_key OFFSET 0) s
 ORDER BY 1, 2
ON CONFLICT (org_key, member_key) DO NOTHING
"""

# A row of its own for each phase that has been reached, and never taken back.
FIND_PHASE: Final = "SELECT FROM migration_phase WHERE name = $1"
