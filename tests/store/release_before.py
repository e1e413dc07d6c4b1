"""The release before read cursors: its schema, and the statements with which its servers go on during the upgrade."""

from importlib import resources

import asyncpg

MIGRATIONS = ("0001_system_events", "0002_notifications")

MARK_READ = """
WITH target AS MATERIALIZED (
    SELECT seq FROM system_event WHERE org_key = $1 AND event_id = ANY ($3::bigint[])),
changed AS (
    INSERT INTO read_mark (member_key, org_key, seq)
    SELECT $2, $1, seq FROM target ORDER BY seq
    ON CONFLICT DO NOTHING RETURNING 1)
SELECT (SELECT count(*) FROM changed) AS changed, (SELECT count(*) FROM target) AS matched
"""

MARK_UNREAD = """
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

LOCK_STREAM = "SELECT last_event_id FROM event_stream WHERE org_key = $1 FOR UPDATE"

RECORD_EVENTS = """
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

MARK_NOTIFICATION_SEEN = """
UPDATE notification SET seen_at = now(), updated_at = now()
 WHERE member_key = $1 AND org_key = $2 AND seq = $3 AND seen_at IS NULL RETURNING 1
"""


async def install(url: str) -> None:
    """Bring an empty database to the schema of the release before."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "CREATE TABLE schema_migration (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        for name in MIGRATIONS:
            await connection.execute((resources.files("readstate.store.migrations") / f"{name}.sql").read_text())
            await connection.execute("INSERT INTO schema_migration (name) VALUES ($1)", name)
    finally:
        await connection.close()
