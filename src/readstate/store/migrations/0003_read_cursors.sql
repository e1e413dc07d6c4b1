-- What can be read back: counts, lists, mark-all and undo. docs/decisions/0015-read-cursor.md says why it looks like this.
--
-- Servers of the release before go on while this runs, and after it: every column that they do not know has a default
-- or is NULL. They also write marks and notifications without a cursor. So no cursor exists before
-- `readstate migrate --finish`.

-- Events up to this position are gone, and count as read for everybody.
ALTER TABLE event_stream ADD COLUMN pruned_seq int NOT NULL DEFAULT 0;

-- Who did it, what it was done to, and where in the organisation.
ALTER TABLE system_event
    ADD COLUMN actor_id     text,
    ADD COLUMN subject_id   text,
    ADD COLUMN workspace_id text;

-- What a member has read in an organisation: the positions in all_read, and those of the member's rows in read_mark.
-- Whoever changes either locks this row first. Most updates leave room and indexes alone, hence the free space in pages.
CREATE TABLE read_cursor (
    member_key bigint         NOT NULL,
    version    bigint         NOT NULL,   -- rises with every change
    org_key    int            NOT NULL,
    read_count int            NOT NULL,   -- positions in all_read, and rows
    pruned_seq int            NOT NULL,   -- the stream's, as far as this cursor knows of it
    all_read   int4multirange NOT NULL,   -- no row of the member lies in it
    PRIMARY KEY (org_key, member_key)
) WITH (fillfactor = 70);
-- What is deleted when a member is removed.
CREATE INDEX read_cursor_member_idx ON read_cursor (member_key);

-- The same for notifications: the counts of the summary, and a version to watch.
CREATE TABLE notification_cursor (
    member_key bigint NOT NULL,
    version    bigint NOT NULL,
    org_key    int    NOT NULL,
    unseen     int    NOT NULL,
    unread     int    NOT NULL,           -- seen ones included
    PRIMARY KEY (org_key, member_key)
) WITH (fillfactor = 70);
CREATE INDEX notification_cursor_member_idx ON notification_cursor (member_key);

-- How far the upgrade to cursors is. 'cursors_kept': whoever marks keeps a cursor. 'cursors_finished': everybody who has
-- marks or notifications has one. A database without either needs no upgrade.
CREATE TABLE migration_phase (
    name       text        PRIMARY KEY,
    reached_at timestamptz NOT NULL DEFAULT now()
);
-- The lock keeps both empty until this is committed. It is not asked for where they are not: whoever marks holds a lock
-- on read_mark while waiting for system_event, which has been altered above.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM read_mark) AND NOT EXISTS (SELECT FROM notification) THEN
        LOCK TABLE read_mark, notification IN SHARE ROW EXCLUSIVE MODE;
        INSERT INTO migration_phase (name)
        SELECT name FROM unnest(ARRAY['cursors_kept', 'cursors_finished']) AS phase (name)
         WHERE NOT EXISTS (SELECT FROM read_mark) AND NOT EXISTS (SELECT FROM notification);
    END IF;
END $$;
