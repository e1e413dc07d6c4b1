"""The statements on read marks. `store/__init__.py` has the rules of all statements, `read_cursor/` those of marks."""

from typing import Final

from readstate.store.by_organization import by_place

# One call. Waits for the cursor; the ranges are those of the locked one. A mark that another transaction has made since
# this statement's snapshot is met by ON CONFLICT. So the snapshot may be older than the lock. `version` is NULL, and
# nothing is changed, where there is no cursor. `all_read + '{}'` changes nothing, but it makes a value in memory:
# stored apart, the ranges would be fetched again for every id. The inner SELECT hides from the planner how many ids
# there are. For a plan to keep it assumes ten, so one for a single id looked cheaper, and each call was planned anew.
MARK_READ: Final = """
WITH cursor AS MATERIALIZED (
    SELECT version, all_read + '{}' AS all_read FROM read_cursor WHERE org_key = $1 AND member_key = $2 FOR UPDATE),
target AS MATERIALIZED (
    SELECT seq FROM system_event WHERE org_key = $1 AND event_id = ANY ((SELECT $3::bigint[])::bigint[])),
changed AS (
    INSERT INTO read_mark (member_key, org_key, seq)
    SELECT $2, $1, t.seq FROM target t, cursor c WHERE NOT c.all_read @> t.seq ORDER BY t.seq
    ON CONFLICT DO NOTHING RETURNING 1),
counted AS (
    UPDATE read_cursor SET version = version + 1, read_count = read_count + (SELECT count(*) FROM changed)
     WHERE org_key = $1 AND member_key = $2 AND EXISTS (SELECT FROM changed)
    RETURNING version)
SELECT (SELECT count(*) FROM changed)::int AS changed, (SELECT count(*) FROM target)::int AS matched,
       coalesce((SELECT version FROM counted), (SELECT version FROM cursor)) AS version
"""

# As MARK_READ, for a batch of one call. `version` is NULL also where the cursor is busy: a batch waits for nobody. The
# statement for many calls takes 1.6 times as long for one.
MARK_READ_UNLESS_BUSY: Final = MARK_READ.replace("FOR UPDATE", "FOR UPDATE SKIP LOCKED")

# What each call is told, from `target`, `work` and `changed`.
ANSWER: Final = """
first_call AS (
    SELECT min(call) AS call, sum(new) AS new
      FROM (SELECT call, member_key, org_key, seq, 0 AS new FROM target
            UNION ALL SELECT NULL, member_key, org_key, seq, 1 FROM changed) r
     GROUP BY member_key, org_key, seq)
SELECT call, sum(matched)::int AS matched, sum(changed)::int AS changed, max(version) AS version
  FROM (SELECT t.call, (t.seq IS NOT NULL)::int AS matched, 0 AS changed, w.version
          FROM work w CROSS JOIN LATERAL unnest(w.calls, w.seqs) AS t (call, seq)
        UNION ALL SELECT call, 0, new, NULL FROM first_call) c
 GROUP BY call
"""

# Many calls in one statement: one entry of the arrays for each id of each call. LATERAL with OFFSET 0 holds the planner
# to one index look-up for each id, whatever it believes about the table's size. Counts for each call come from
# UNION ALL and GROUP BY: joining the RETURNING rows back is quadratic on stale statistics, 2.5 s for 64 calls of 100
# ids against 0.1 to 0.2 s. The first call that names a mark is credited with it. `version` is the locked cursor's,
# before this statement. NULL: the cursor is busy or missing, and the call has changed nothing. -1: there are no cursors
# yet.
_TOGETHER: Final = """
WITH target AS MATERIALIZED (
    SELECT i.call, i.member_key, i.org_key, e.seq
      FROM unnest($1::int[], $2::int[], $3::bigint[], $4::bigint[]) AS i (call, org_key, member_key, event_id)
      LEFT JOIN LATERAL (
        SELECT seq FROM system_event e WHERE e.org_key = i.org_key AND e.event_id = i.event_id OFFSET 0) e ON true),
{change}{answer}""".replace("{answer}", ANSWER)

# Marks without a cursor are written only as long as the upgrade to cursors has not begun.
_NO_CURSOR: Final = "CASE WHEN NOT EXISTS (SELECT FROM migration_phase WHERE name = 'cursors_kept') THEN -1 END"

# The cursors of the batch, in the order of their key. One that is busy is skipped, so that a long mark-all holds up
# nobody else. The snapshot may be older than the lock, as in MARK_READ. The counts are added by an upsert that always
# finds its row: it looks it up by the key whatever the planner believes.
MARK_READ_TOGETHER: Final = _TOGETHER.replace(
    "{change}",
    """
work AS MATERIALIZED (
    SELECT t.*, c.all_read, coalesce(c.version, {no_cursor}) AS version
      FROM (SELECT org_key, member_key, array_agg(call) AS calls, array_agg(seq) AS seqs
              FROM target GROUP BY 1, 2 ORDER BY 1, 2) t
      LEFT JOIN LATERAL (
        SELECT version, all_read + '{}' AS all_read FROM read_cursor c
         WHERE c.org_key = t.org_key AND c.member_key = t.member_key FOR UPDATE SKIP LOCKED) c ON true),
changed AS (
    INSERT INTO read_mark (member_key, org_key, seq)
    SELECT DISTINCT w.member_key, w.org_key, s.seq
      FROM work w CROSS JOIN LATERAL unnest(w.seqs) AS s (seq)
     WHERE s.seq IS NOT NULL
       AND w.version IS NOT NULL AND NOT coalesce(w.all_read @> s.seq, false)
     ORDER BY 1, 2, 3
    ON CONFLICT DO NOTHING
    RETURNING member_key, org_key, seq),
counted AS (
    INSERT INTO read_cursor AS c (org_key, member_key, version, read_count, pruned_seq, all_read)
    SELECT org_key, member_key, 0, count(*), 0, '{}' FROM changed
     WHERE EXISTS (SELECT FROM migration_phase WHERE name = 'cursors_kept')
     GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (org_key, member_key)
    DO UPDATE SET version = c.version + 1, read_count = c.read_count + EXCLUDED.read_count),""",
).replace("{no_cursor}", _NO_CURSOR)

# What `hit` found goes: rows by their place, and what the ranges hold by the statement that counts. A place is a table
# and a ctid, because partitions have the same ctids. The array lets the planner fetch rows by their ctid. The pairs
# choose among those rows. `IS TRUE` keeps the planner from joining the two: where it expects few rows, it would compare
# each with each.
REMOVE_MARKS: Final = by_place("""
doomed AS MATERIALIZED (SELECT part, place FROM hit WHERE place IS NOT NULL),
gone AS (
    DELETE FROM read_mark
     WHERE {shard}ctid = ANY (ARRAY (SELECT place FROM doomed))
       AND ((tableoid, ctid) IN (SELECT part, place FROM doomed)) IS TRUE
    RETURNING member_key, org_key, seq),
changed AS (
    SELECT member_key, org_key, seq FROM gone
    UNION ALL SELECT member_key, org_key, seq FROM hit WHERE place IS NULL),
""")

# As MARK_READ_TOGETHER. What is to be deleted is what the snapshot shows, so only cursors count whose locked version is
# the snapshot's: then no row has changed in between. Each row is found by one look-up.
MARK_UNREAD_TOGETHER: Final = _TOGETHER.replace(
    "{change}",
    """
locked AS MATERIALIZED (
    SELECT t.*, seen.version AS seen_version, c.version AS locked_version, c.all_read
      FROM (SELECT org_key, member_key, array_agg(call) AS calls, array_agg(seq) AS seqs
              FROM target GROUP BY 1, 2 ORDER BY 1, 2) t
      LEFT JOIN LATERAL (
        SELECT version FROM read_cursor c
         WHERE c.org_key = t.org_key AND c.member_key = t.member_key OFFSET 0) seen ON true
      LEFT JOIN LATERAL (
        SELECT version, all_read + '{}' AS all_read FROM read_cursor c
         WHERE c.org_key = t.org_key AND c.member_key = t.member_key FOR UPDATE SKIP LOCKED) c ON true),
work AS MATERIALIZED (
    SELECT *, CASE WHEN locked_version = seen_version THEN locked_version
                   WHEN seen_version IS NULL THEN {no_cursor} END AS version FROM locked),
hit AS MATERIALIZED (
    SELECT w.member_key, w.org_key, s.seq, m.part, m.place, w.all_read
      FROM work w
     CROSS JOIN LATERAL (SELECT DISTINCT seq FROM unnest(w.seqs) AS s (seq) WHERE seq IS NOT NULL ORDER BY seq) s
      LEFT JOIN LATERAL (
        SELECT tableoid AS part, ctid AS place FROM read_mark m
         WHERE m.member_key = w.member_key AND m.org_key = w.org_key AND m.seq = s.seq OFFSET 0) m ON true
     WHERE w.version IS NOT NULL AND (m.place IS NOT NULL OR w.all_read @> s.seq)),
{remove}
counted AS (
    INSERT INTO read_cursor AS c (org_key, member_key, version, read_count, pruned_seq, all_read)
    SELECT org_key, member_key, 0, count(*), 0,
           coalesce(range_agg(int4range(seq, seq + 1)) FILTER (WHERE place IS NULL), '{}')
      FROM hit
     WHERE EXISTS (SELECT FROM migration_phase WHERE name = 'cursors_kept')
     GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (org_key, member_key)
    DO UPDATE SET version = c.version + 1, read_count = c.read_count - EXCLUDED.read_count,
                  all_read = c.all_read - EXCLUDED.all_read),""".replace("{remove}", REMOVE_MARKS["mixed"]),
).replace("{no_cursor}", _NO_CURSOR)

# In batches, so that no transaction holds a million row locks. In the order of the primary key: a plan kept from when
# the table was empty then uses its index. The cursors go first, as everywhere, and in every batch: a call that still
# holds the member from a cache may have made one anew, and counted the rows that are left. By their place, as above.
DELETE_MARKS_OF_REMOVED: Final = """
WITH cursor AS (DELETE FROM read_cursor WHERE member_key = $1 RETURNING 1),
doomed AS MATERIALIZED (
    SELECT tableoid AS part, ctid AS place FROM read_mark
     WHERE member_key = $1 AND (SELECT count(*) FROM cursor) >= 0 ORDER BY org_key, seq LIMIT $2 FOR UPDATE)
DELETE FROM read_mark
 WHERE ctid = ANY (ARRAY (SELECT place FROM doomed)) AND ((tableoid, ctid) IN (SELECT part, place FROM doomed)) IS TRUE
RETURNING 1
"""
