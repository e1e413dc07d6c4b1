"""The statements that lock, make and settle read cursors."""

from typing import Final

from readstate.store.by_organization import OnOrganizations

LOCK_CURSOR: Final = "SELECT FROM read_cursor WHERE org_key = $1 AND member_key = $2 FOR UPDATE"

# `read_count`, `pruned_seq` and `all_read` of a new cursor.
_COUNTED: Final = """CASE WHEN r.rows > 0 THEN r.rows ELSE s.pruned_seq END,
       CASE WHEN r.rows > 0 THEN 0 ELSE s.pruned_seq END,
       CASE WHEN r.rows > 0 OR s.pruned_seq = 0 THEN '{}' ELSE int4multirange(int4range(1, s.pruned_seq + 1)) END"""

# A statement of its own, before the marks go again: a cursor that another call makes at the same time is waited for,
# and stays. Rows that a member has without a cursor come from before the upgrade, and nobody adds to them until there
# is one. Such a cursor begins at position 0 and is settled like any that is behind. Nothing is made before the upgrade
# has begun: servers of the release before would not keep it. Batches of one organisation are for later than that.
_MAKE_CURSORS: Final = """
INSERT INTO read_cursor (org_key, member_key, version, read_count, pruned_seq, all_read)
SELECT i.org_key, i.member_key, 0,
       {counted}
  FROM unnest($1::int[], $2::bigint[]) AS i (org_key, member_key)
 CROSS JOIN LATERAL (SELECT pruned_seq FROM event_stream s WHERE s.org_key = i.org_key OFFSET 0) s
 CROSS JOIN LATERAL (
    SELECT count(*)::int AS rows FROM read_mark m WHERE m.member_key = i.member_key AND m.org_key = i.org_key) r
 WHERE EXISTS (SELECT FROM migration_phase WHERE name = 'cursors_kept')
 ORDER BY 1, 2
ON CONFLICT (org_key, member_key) DO NOTHING
RETURNING org_key, member_key
"""
_MAKE_CURSORS_OF_ONE: Final = """
INSERT INTO read_cursor (org_key, member_key, version, read_count, pruned_seq, all_read)
SELECT s.org_key, i.member_key, 0,
       {counted}
  FROM event_stream s
 CROSS JOIN unnest($2::bigint[]) AS i (member_key)
 CROSS JOIN LATERAL (
    SELECT count(*)::int AS rows FROM read_mark m WHERE m.member_key = i.member_key AND m.org_key = $1) r
 WHERE s.org_key = $1
 ORDER BY 2
ON CONFLICT (org_key, member_key) DO NOTHING
RETURNING org_key, member_key
"""
MAKE_CURSORS: Final = OnOrganizations(
    _MAKE_CURSORS.replace("{counted}", _COUNTED), _MAKE_CURSORS_OF_ONE.replace("{counted}", _COUNTED)
)

# `reached` says for each member how far the cursor comes, and how many rows up to there count no more. The array beside
# the join lets the planner look cursors up by their key.
ADVANCE_CURSORS: Final = """
UPDATE read_cursor c
   SET version = c.version + 1, pruned_seq = r.pruned_seq,
       all_read = c.all_read + int4multirange(int4range(1, r.pruned_seq + 1)),
       read_count = c.read_count - r.rows
                  + (SELECT coalesce(sum(upper(p) - lower(p)), 0)
                       FROM unnest(int4multirange(int4range(1, r.pruned_seq + 1)) - c.all_read) AS p)
  FROM reached r
 WHERE c.org_key = $1 AND c.member_key = ANY ($2) AND c.member_key = r.member_key AND c.pruned_seq < r.pruned_seq
""".strip()

# Under the locks of these members' cursors, in a statement of its own. Takes at most $3 rows of each member. A cursor
# whose member has more has settled up to the last of them, and is still behind. Rows are deleted by their place, as in
# marks/sql.py: REMOVE_MARKS. Returns the cursors that it has changed. A SELECT comes last: see
# `store/by_organization.py`.
SETTLE: Final = """
WITH stream AS MATERIALIZED (SELECT pruned_seq FROM event_stream WHERE org_key = $1),
doomed AS MATERIALIZED (
    SELECT i.member_key, m.seq, m.part, m.place
      FROM (SELECT member_key, pruned_seq FROM read_cursor
             WHERE org_key = $1 AND member_key = ANY ($2::bigint[]) OFFSET 0) i
     CROSS JOIN LATERAL (
        SELECT seq, tableoid AS part, ctid AS place FROM read_mark m
         WHERE m.member_key = i.member_key AND m.org_key = $1
           AND m.seq > i.pruned_seq AND m.seq <= (SELECT pruned_seq FROM stream)
         ORDER BY m.seq LIMIT $3::int) m),
gone AS (
    DELETE FROM read_mark
     WHERE org_key = $1 AND ctid = ANY (ARRAY (SELECT place FROM doomed))
       AND ((tableoid, ctid) IN (SELECT part, place FROM doomed)) IS TRUE),
reached AS MATERIALIZED (
    SELECT i.member_key, coalesce(d.rows, 0) AS rows,
           CASE WHEN d.rows = $3 THEN d.last ELSE s.pruned_seq END AS pruned_seq
      FROM stream s
     CROSS JOIN unnest($2::bigint[]) AS i (member_key)
      LEFT JOIN (
        SELECT member_key, count(*)::int AS rows, max(seq) AS last FROM doomed GROUP BY 1) d USING (member_key)),
settled AS (
    {advance}
    RETURNING c.member_key, r.rows, c.pruned_seq)
SELECT d.member_key, d.rows, d.pruned_seq < s.pruned_seq AS behind FROM settled d CROSS JOIN stream s
""".replace("{advance}", ADVANCE_CURSORS)

# Those of the cursors that nobody holds, in the order of their key.
LOCK_FREE_CURSORS: Final = """
SELECT member_key FROM read_cursor
 WHERE org_key = $1 AND member_key = ANY ($2::bigint[]) ORDER BY member_key FOR UPDATE SKIP LOCKED
"""

# For members who are new in an organisation, and are to find nothing unread in it. Whoever has a cursor keeps it.
START_READ: Final = OnOrganizations(
    together="""
INSERT INTO read_cursor (org_key, member_key, version, read_count, pruned_seq, all_read)
SELECT i.org_key, i.member_key, 1, s.last_seq, s.pruned_seq, int4multirange(int4range(1, s.last_seq + 1))
  FROM unnest($1::int[], $2::bigint[]) AS i (org_key, member_key)
 CROSS JOIN LATERAL (SELECT last_seq, pruned_seq FROM event_stream s WHERE s.org_key = i.org_key OFFSET 0) s
 ORDER BY 1, 2
ON CONFLICT (org_key, member_key) DO NOTHING
""",
    each="""
INSERT INTO read_cursor (org_key, member_key, version, read_count, pruned_seq, all_read)
SELECT s.org_key, i.member_key, 1, s.last_seq, s.pruned_seq, int4multirange(int4range(1, s.last_seq + 1))
  FROM event_stream s CROSS JOIN unnest($2::bigint[]) AS i (member_key)
 WHERE s.org_key = $1
 ORDER BY 2
ON CONFLICT (org_key, member_key) DO NOTHING
""",
)

# A row of its own for each phase that has been reached, and never taken back.
FIND_PHASE: Final = "SELECT FROM migration_phase WHERE name = $1"
