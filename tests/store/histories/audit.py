"""What must hold in every snapshot of the database, whatever is in flight."""

from tests.store.data import Connection

AUDIT = """
WITH cursor AS (
    SELECT c.*, s.last_seq, s.pruned_seq AS gone, m.removed_at,
           (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(c.all_read) r) AS positions,
           (SELECT count(*) FROM read_mark m
             WHERE (m.org_key, m.member_key) = (c.org_key, c.member_key) AND m.seq > c.pruned_seq) AS rows,
           (SELECT count(*) FROM read_mark m
             WHERE (m.org_key, m.member_key) = (c.org_key, c.member_key) AND m.seq > c.pruned_seq
               AND c.all_read @> m.seq) AS rows_in_ranges,
           (SELECT coalesce(max(m.seq), 0) FROM read_mark m
             WHERE (m.org_key, m.member_key) = (c.org_key, c.member_key)) AS last_row,
           (SELECT count(*) FROM system_event e
             WHERE e.org_key = c.org_key AND NOT c.all_read @> e.seq
               AND NOT EXISTS (SELECT FROM read_mark m WHERE (m.org_key, m.member_key, m.seq)
                                                           = (c.org_key, c.member_key, e.seq))) AS unread
      FROM (SELECT org_key, member_key, read_count, pruned_seq, all_read + '{}' AS all_read FROM read_cursor OFFSET 0) c
      JOIN event_stream s USING (org_key) LEFT JOIN member m USING (member_key))
SELECT 'a row lies in a range', org_key, member_key FROM cursor WHERE rows_in_ranges > 0
UNION ALL SELECT 'the count is not that of ranges and rows', org_key, member_key FROM cursor
 WHERE read_count <> positions + rows
UNION ALL SELECT 'the unread count is not that of a full scan', org_key, member_key FROM cursor
 WHERE pruned_seq = gone AND last_seq - read_count <> unread
UNION ALL SELECT 'a cursor is ahead of its stream', org_key, member_key FROM cursor WHERE pruned_seq > gone
UNION ALL SELECT 'what is pruned is not read', org_key, member_key FROM cursor
 WHERE NOT all_read @> int4multirange(int4range(1, pruned_seq + 1))
UNION ALL SELECT 'the future is read', org_key, member_key FROM cursor
 WHERE greatest(upper(all_read) - 1, last_row) > last_seq
UNION ALL SELECT 'a row without a cursor', m.org_key, m.member_key
  FROM read_mark m LEFT JOIN read_cursor c USING (org_key, member_key) LEFT JOIN member u USING (member_key)
 WHERE c.org_key IS NULL AND u.removed_at IS NULL
UNION ALL SELECT 'an event that is pruned', e.org_key, e.seq
  FROM system_event e JOIN event_stream s USING (org_key) WHERE e.seq <= s.pruned_seq
UNION ALL SELECT 'positions with a gap', s.org_key, s.last_seq
  FROM event_stream s
 WHERE s.last_seq - s.pruned_seq <> (SELECT count(*) FROM system_event e WHERE e.org_key = s.org_key)
"""


async def audit(connection: Connection) -> list[str]:
    """What does not hold now."""
    return [f"{what}: organisation {org_key}, {key}" for what, org_key, key in await connection.fetch(AUDIT)]
