"""The statements that keep read cursors small."""

from typing import Final

# A page of cursors, and which of them want work. A cursor's rows are what it counts beyond its ranges.
FIND_UNTIDY: Final = """
SELECT c.org_key, c.member_key,
       c.pruned_seq < s.pruned_seq AS behind, (c.read_count - r.positions)::int AS rows, r.ranges
  FROM (SELECT org_key, member_key, read_count, pruned_seq, all_read FROM read_cursor
         WHERE (org_key, member_key) > ($1::int, $2::bigint) ORDER BY org_key, member_key LIMIT $3) c
 CROSS JOIN LATERAL (SELECT pruned_seq FROM event_stream s WHERE s.org_key = c.org_key OFFSET 0) s
 CROSS JOIN LATERAL (
    SELECT coalesce(sum(upper(r) - lower(r)), 0) AS positions, count(*) AS ranges FROM unnest(c.all_read) AS r) r
 ORDER BY c.org_key, c.member_key
"""

# The same of one organisation.
FIND_UNTIDY_OF_ONE: Final = """
SELECT c.org_key, c.member_key,
       c.pruned_seq < s.pruned_seq AS behind, (c.read_count - r.positions)::int AS rows, r.ranges
  FROM (SELECT org_key, member_key, read_count, pruned_seq, all_read FROM read_cursor
         WHERE org_key = $1 AND member_key > $2 ORDER BY member_key LIMIT $3) c
 CROSS JOIN (SELECT pruned_seq FROM event_stream WHERE org_key = $1) s
 CROSS JOIN LATERAL (
    SELECT coalesce(sum(upper(r) - lower(r)), 0) AS positions, count(*) AS ranges FROM unnest(c.all_read) AS r) r
 ORDER BY c.member_key
"""

FIND_ORGANIZATIONS: Final = "SELECT org_key FROM organization WHERE org_key > $1 ORDER BY org_key LIMIT $2"

# Under the lock, in a statement of its own. Neighbouring rows become a range: those beside a range always, others only
# while there are fewer than $5 ranges, the longest first. Rows with no neighbour stay. The last row that is looked at
# is looked at again by the next step, with those above it.
FOLD: Final = """
WITH cursor AS MATERIALIZED (
    SELECT all_read, pruned_seq, (SELECT count(*) FROM unnest(all_read)) AS ranges
      FROM read_cursor WHERE org_key = $1 AND member_key = $2),
row AS MATERIALIZED (
    SELECT seq FROM read_mark
     WHERE member_key = $2 AND org_key = $1 AND seq >= $3 AND seq > (SELECT pruned_seq FROM cursor)
     ORDER BY seq LIMIT $4),
island AS MATERIALIZED (
    SELECT min(seq) AS lo, max(seq) AS hi, count(*) AS rows
      FROM (SELECT seq, seq - row_number() OVER (ORDER BY seq) AS island FROM row) r
     GROUP BY island),
chosen AS MATERIALIZED (
    SELECT i.lo, i.hi FROM island i, cursor c WHERE c.all_read @> i.lo - 1 OR c.all_read @> i.hi + 1
    UNION ALL
    (SELECT i.lo, i.hi FROM island i, cursor c
      WHERE i.rows > 1 AND NOT (c.all_read @> i.lo - 1 OR c.all_read @> i.hi + 1)
      ORDER BY i.rows DESC LIMIT (SELECT greatest($5 - ranges, 0) FROM cursor))),
folded AS MATERIALIZED (SELECT range_agg(int4range(lo, hi + 1)) AS ranges FROM chosen),
gone AS (
    DELETE FROM read_mark
     WHERE member_key = $2 AND org_key = $1
       AND seq >= (SELECT lower(ranges) FROM folded) AND seq < (SELECT upper(ranges) FROM folded)
       AND (SELECT ranges FROM folded) @> seq
    RETURNING 1),
written AS (
    UPDATE read_cursor
       SET version = version + 1, all_read = all_read + (SELECT ranges FROM folded)
     WHERE org_key = $1 AND member_key = $2 AND EXISTS (SELECT FROM chosen))
SELECT count(*)::int AS looked_at, max(seq) AS last, (SELECT count(*) FROM gone)::int AS folded FROM row
"""

# Under the lock. The shortest ranges become rows again, as many as make at most $4 rows, until $3 ranges are left. The
# range of what is pruned stays one. When such a mark was made is not known: -infinity says so. The ranges go in the
# statement after: see `store/by_organization.py`.
UNFOLD: Final = """
INSERT INTO read_mark (member_key, org_key, seq, read_at)
WITH cursor AS MATERIALIZED (
    SELECT org_key, member_key, all_read, pruned_seq FROM read_cursor WHERE org_key = $1 AND member_key = $2),
range AS MATERIALIZED (
    SELECT lower(r) AS lo, upper(r) AS hi,
           sum(upper(r) - lower(r)) OVER shortest AS rows, row_number() OVER shortest AS nth
      FROM cursor, unnest(all_read) AS r
     WHERE lower(r) > pruned_seq
    WINDOW shortest AS (ORDER BY upper(r) - lower(r), lower(r))),
chosen AS MATERIALIZED (
    SELECT lo, hi FROM range
     WHERE rows <= $4 AND nth <= (SELECT count(*) - $3 FROM cursor, unnest(all_read)))
SELECT c.member_key, c.org_key, p.seq, '-infinity'
  FROM cursor c CROSS JOIN chosen CROSS JOIN LATERAL generate_series(lo, hi - 1) AS p (seq) ORDER BY 3
RETURNING seq
"""

TAKE_OUT: Final = """
UPDATE read_cursor
   SET version = version + 1,
       all_read = all_read - (SELECT range_agg(int4range(seq, seq + 1)) FROM unnest($3::int[]) AS seq)
 WHERE org_key = $1 AND member_key = $2
"""
