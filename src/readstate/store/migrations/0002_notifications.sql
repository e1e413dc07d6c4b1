-- Notifications, and the replies kept under idempotency keys. docs/decisions/0010-notifications.md and
-- 0011-idempotency-keys.md say why the tables look like this.

-- The row that a producer locks until it commits, so that seq follows the order of commits: a notification that becomes
-- visible later is never placed before one that has been shown.
CREATE TABLE notification_stream (
    org_key  int    PRIMARY KEY,
    last_seq bigint NOT NULL
);

-- One row for each recipient. seq is the creating call's place in the organisation, so that nobody has two of the same.
-- The key begins like read_mark's, with what is deleted together when a member is removed.
CREATE TABLE notification (
    member_key   bigint      NOT NULL,
    seq          bigint      NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    seen_at      timestamptz,
    read_at      timestamptz,
    dismissed_at timestamptz,
    org_key      int         NOT NULL,
    id           text        COLLATE "C" NOT NULL,
    category     text        NOT NULL,
    title        text        NOT NULL,
    body         text,
    priority     text        NOT NULL,
    sender       jsonb,
    resource     jsonb,
    PRIMARY KEY (member_key, org_key, seq),
    UNIQUE (org_key, id),
    CONSTRAINT notification_read_is_seen CHECK (read_at IS NULL OR seen_at IS NOT NULL)
);
-- The list newest first, and the counts of the summary from the index alone.
CREATE INDEX notification_feed_idx ON notification (member_key, org_key, seq) INCLUDE (seen_at, read_at)
 WHERE dismissed_at IS NULL;
CREATE INDEX notification_unseen_idx ON notification (member_key, org_key, seq)
 WHERE seen_at IS NULL AND dismissed_at IS NULL;

-- org_key 0 is a caller who is no member.
CREATE TABLE idempotency_key (
    org_key     int         NOT NULL,
    user_id     text        NOT NULL,
    key         text        COLLATE "C" NOT NULL,
    kept_at     timestamptz NOT NULL DEFAULT now(),
    fingerprint bytea       NOT NULL,
    reply       bytea       NOT NULL,
    PRIMARY KEY (org_key, user_id, key)
);
CREATE INDEX idempotency_key_kept_at_idx ON idempotency_key (kept_at);
