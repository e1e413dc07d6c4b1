"""The statements of mark-all, its undo, and of who has read an event. `list_sql` has those of lists."""

from typing import Final

_CARDINALITY: Final = "(SELECT coalesce(sum(upper(r) - lower(r)), 0)::int FROM unnest({}) AS r)"

# After the lock, in a statement of its own: its snapshot shows every row that was written before. `up_to` is clamped to
# what is committed, so that no event of the future is read. No row is returned where the cursor is behind.
MARK_ALL_READ: Final = f"""
WITH cursor AS MATERIALIZED (
    SELECT c.version, c.read_count, c.all_read, s.last_seq, least($3::int, s.last_seq) AS up_to,
           int4multirange(int4range(1, least($3::int, s.last_seq) + 1)) AS wanted
      FROM read_cursor c, event_stream s
     WHERE c.org_key = $1 AND c.member_key = $2 AND s.org_key = $1 AND c.pruned_seq = s.pruned_seq),
gone AS (
    DELETE FROM read_mark WHERE member_key = $2 AND org_key = $1 AND seq <= (SELECT up_to FROM cursor)
    RETURNING seq),
delta AS MATERIALIZED (
    SELECT version, read_count, last_seq, all_read + wanted AS all_read,
           wanted - all_read - (SELECT coalesce(range_agg(int4range(seq, seq + 1)), '{{}}') FROM gone) AS delta
      FROM cursor),
counted AS MATERIALIZED (
    SELECT *, {_CARDINALITY.format("delta")} AS changed, EXISTS (SELECT FROM gone) AS folded FROM delta),
written AS (
    UPDATE read_cursor c
       SET version = n.version + 1, read_count = n.read_count + n.changed, all_read = n.all_read
      FROM counted n
     WHERE c.org_key = $1 AND c.member_key = $2 AND (n.changed > 0 OR n.folded)
    RETURNING c.version)
SELECT changed, last_seq - read_count - changed AS unread, coalesce((SELECT version FROM written), version) AS version,
       CASE WHEN changed > 0 AND octet_length(delta::text) <= $4 THEN delta::text END AS delta
  FROM counted
"""  # noqa: S608 - put together from constants

# As MARK_ALL_READ. Makes unread what is in the ranges of the token, rows included, and nothing that is pruned.
UNDO_MARK_ALL: Final = f"""
WITH cursor AS MATERIALIZED (
    SELECT c.version, c.read_count, c.all_read, s.last_seq,
           $3::text::int4multirange - int4multirange(int4range(1, s.pruned_seq + 1)) AS wanted
      FROM read_cursor c, event_stream s
     WHERE c.org_key = $1 AND c.member_key = $2 AND s.org_key = $1 AND c.pruned_seq = s.pruned_seq),
gone AS (
    DELETE FROM read_mark
     WHERE member_key = $2 AND org_key = $1
       AND seq >= (SELECT lower(wanted) FROM cursor) AND seq < (SELECT upper(wanted) FROM cursor)
       AND (SELECT wanted FROM cursor) @> seq
    RETURNING 1),
counted AS MATERIALIZED (
    SELECT version, read_count, last_seq, all_read - wanted AS all_read,
           {_CARDINALITY.format("all_read * wanted")} + (SELECT count(*)::int FROM gone) AS changed
      FROM cursor),
written AS (
    UPDATE read_cursor c
       SET version = n.version + 1, read_count = n.read_count - n.changed, all_read = n.all_read
      FROM counted n
     WHERE c.org_key = $1 AND c.member_key = $2 AND n.changed > 0
    RETURNING c.version)
SELECT changed, last_seq - read_count + changed AS unread, coalesce((SELECT version FROM written), version) AS version
  FROM counted
"""  # noqa: S608

# The organisation's cursors by page: a second index on marks would cost every mark. `looked_at` members are looked at,
# the last of them is `last_looked_at`. A member is present who is not removed and still in the organisation; where
# organisations come from tokens ($6), who is not removed. A mark that was made from a range has no time of its own.
READERS: Final = """
WITH event AS MATERIALIZED (SELECT seq FROM system_event WHERE org_key = $1 AND event_id = $2),
looked AS MATERIALIZED (
    SELECT member_key, all_read @> (SELECT seq FROM event) AS covered
      FROM read_cursor
     WHERE org_key = $1 AND member_key > $3 AND EXISTS (SELECT FROM event)
     ORDER BY member_key LIMIT $4),
reader AS MATERIALIZED (
    SELECT l.member_key, u.user_id, nullif(m.read_at, '-infinity') AS read_at
      FROM looked l
      LEFT JOIN LATERAL (
        SELECT read_at FROM read_mark m
         WHERE NOT l.covered AND m.member_key = l.member_key AND m.org_key = $1 AND m.seq = (SELECT seq FROM event)
        OFFSET 0) m ON true
     CROSS JOIN LATERAL (
        SELECT user_id FROM member u
         WHERE (l.covered OR m.read_at IS NOT NULL)
           AND u.member_key = l.member_key AND u.removed_at IS NULL AND (u.org_key = $1 OR $6) OFFSET 0) u
     ORDER BY l.member_key LIMIT $5)
SELECT r.*, (SELECT max(member_key) FROM looked) AS last_looked_at, (SELECT count(*) FROM looked) AS looked_at
  FROM event LEFT JOIN reader r ON true
 ORDER BY r.member_key
"""
