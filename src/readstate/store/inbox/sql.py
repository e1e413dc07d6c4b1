"""The statements of the inbox."""

from typing import Final

_CARDINALITY: Final = "(SELECT coalesce(sum(upper(r) - lower(r)), 0)::int FROM unnest({}) AS r)"

# After the lock, in a statement of its own: its snapshot shows every row that was written before. `up_to` is clamped to
# what is committed, so that no event of the future is read. No row where the cursor is behind.
MARK_ALL_READ: Final = f"""
WITH stream AS MATERIALIZED (
    SELECT last_seq, pruned_seq, int4multirange(int4range(1, least($3::int, last_seq) + 1)) AS wanted
      FROM event_stream WHERE org_key = $1),
cursor AS MATERIALIZED (
    SELECT c.version, c.read_count, c.all_read, s.wanted, s.last_seq
      FROM read_cursor c, stream s
     WHERE c.org_key = $1 AND c.member_key = $2 AND c.pruned_seq = s.pruned_seq),
gone AS (
    DELETE FROM read_mark WHERE ctid = ANY (ARRAY (
        SELECT ctid FROM read_mark
         WHERE member_key = $2 AND org_key = $1 AND seq <= $3 AND EXISTS (SELECT FROM cursor)))
    RETURNING seq),
delta AS MATERIALIZED (
    SELECT c.version, c.read_count, c.last_seq, c.all_read + c.wanted AS all_read,
           c.wanted - c.all_read - (SELECT coalesce(range_agg(int4range(seq, seq + 1)), '{{}}') FROM gone) AS delta
      FROM cursor c),
counted AS MATERIALIZED (
    SELECT *, {_CARDINALITY.format("delta")} AS changed, (SELECT count(*) FROM gone) AS folded FROM delta),
written AS (
    UPDATE read_cursor c
       SET version = n.version + 1, read_count = n.read_count + n.changed, all_read = n.all_read
      FROM counted n
     WHERE c.org_key = $1 AND c.member_key = $2 AND (n.changed > 0 OR n.folded > 0)
    RETURNING c.version)
SELECT changed, last_seq - read_count - changed AS unread, coalesce((SELECT version FROM written), version) AS version,
       CASE WHEN changed > 0 AND octet_length(delta::text) <= $4 THEN delta::text END AS delta
  FROM counted
"""  # noqa: S608 - put together from constants

# As MARK_ALL_READ. Makes unread what is in the ranges of the token, rows included, and nothing that is pruned.
UNDO_MARK_ALL: Final = f"""
WITH stream AS MATERIALIZED (SELECT last_seq, pruned_seq FROM event_stream WHERE org_key = $1),
cursor AS MATERIALIZED (
    SELECT c.version, c.read_count, c.all_read, s.last_seq,
           $3::text::int4multirange - int4multirange(int4range(1, s.pruned_seq + 1)) AS wanted
      FROM read_cursor c, stream s
     WHERE c.org_key = $1 AND c.member_key = $2 AND c.pruned_seq = s.pruned_seq),
gone AS (
    DELETE FROM read_mark WHERE ctid = ANY (ARRAY (
        SELECT m.ctid FROM read_mark m, cursor c
         WHERE m.member_key = $2 AND m.org_key = $1
           AND m.seq BETWEEN lower(c.wanted) AND upper(c.wanted) - 1 AND c.wanted @> m.seq))
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

_FILTER: Final = """
    e.org_key = $1
    AND (e.seq < $3)
    AND ($4::text[] IS NULL OR e.type = ANY ($4))
    AND ($5::text[] IS NULL OR e.actor_id = ANY ($5))
    AND ($6::text[] IS NULL OR e.subject_id = ANY ($6))
    AND ($7::text[] IS NULL OR e.workspace_id = ANY ($7))
    AND ($8::timestamptz IS NULL OR e.occurred_at >= $8)
    AND ($9::timestamptz IS NULL OR e.occurred_at < $9)
    AND (NOT $10 OR NOT ({read}))
"""
_READ: Final = """coalesce(c.all_read @> e.seq, false) OR EXISTS (
        SELECT FROM read_mark m WHERE m.member_key = $2 AND m.org_key = $1 AND m.seq = e.seq)"""

# Page, flags, counts and total in one statement, and so in one snapshot. One row at least: that of the state.
_LIST: Final = f"""
WITH c AS MATERIALIZED (
    SELECT s.last_seq AS head, s.last_seq - coalesce(c.read_count, s.pruned_seq) AS unread,
           coalesce(c.version, 0) AS version, coalesce(c.pruned_seq < s.pruned_seq, false) AS behind, c.all_read
      FROM event_stream s
      LEFT JOIN read_cursor c ON c.org_key = $1 AND c.member_key = $2
     WHERE s.org_key = $1)
SELECT c.head, c.unread, c.version, c.behind,
       CASE WHEN $13 THEN (
           SELECT count(*) FROM system_event e WHERE {_FILTER.replace("e.seq < $3", "true")}) END AS total,
       e.*, {_READ} AS read
  FROM c
  LEFT JOIN LATERAL (
    SELECT seq, event_id, type, title, payload, occurred_at, recorded_at, actor_id, subject_id, workspace_id
      FROM system_event e
     WHERE {_FILTER}
     ORDER BY {{order}} DESC LIMIT $11 OFFSET $12) e ON true
 ORDER BY {{order}} DESC
""".replace("{read}", _READ)  # noqa: S608
LIST_BY_SEQ: Final = _LIST.replace("{order} DESC", "e.seq DESC")
LIST_BY_TIME: Final = _LIST.replace("{order} DESC", "e.occurred_at DESC, e.seq DESC")

# The organisation's cursors by page: a second index on marks would cost every mark. `after` is the last one looked at.
READERS: Final = """
WITH event AS MATERIALIZED (SELECT seq FROM system_event WHERE org_key = $1 AND event_id = $2),
looked AS MATERIALIZED (
    SELECT c.member_key, c.all_read @> e.seq AS covered, e.seq
      FROM event e, read_cursor c
     WHERE c.org_key = $1 AND c.member_key > $3
     ORDER BY c.member_key LIMIT $4),
reader AS MATERIALIZED (
    SELECT l.member_key, u.user_id, m.read_at
      FROM looked l
      LEFT JOIN LATERAL (
        SELECT read_at FROM read_mark m
         WHERE NOT l.covered AND m.member_key = l.member_key AND m.org_key = $1 AND m.seq = l.seq OFFSET 0) m ON true
     CROSS JOIN LATERAL (
        SELECT user_id FROM member u
         WHERE u.member_key = l.member_key AND u.removed_at IS NULL AND (u.org_key = $1 OR u.org_key IS NULL AND $6)
        OFFSET 0) u
     WHERE l.covered OR m.read_at IS NOT NULL
     ORDER BY l.member_key LIMIT $5)
SELECT r.*, (SELECT max(member_key) FROM looked) AS last_looked_at, (SELECT count(*) FROM looked) AS looked_at
  FROM event LEFT JOIN reader r ON true
 ORDER BY r.member_key
"""
