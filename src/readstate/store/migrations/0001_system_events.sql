-- Who reads what. docs/decisions/0003-schema.md says why the tables look like this.

CREATE TABLE organization (
    org_key int  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org_id  text NOT NULL UNIQUE
);

-- A member_key is never used again: a user who comes back after removal gets a new row.
CREATE TABLE member (
    member_key bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id    text        NOT NULL,
    org_key    int,
    removed_at timestamptz
);
CREATE UNIQUE INDEX member_user_id_key ON member (user_id) WHERE removed_at IS NULL;
CREATE INDEX member_removed_idx ON member (member_key) WHERE removed_at IS NOT NULL;

-- The row that a recorder locks, so that seq has no gap and follows the order of commits.
CREATE TABLE event_stream (
    org_key       int    PRIMARY KEY,
    last_seq      int    NOT NULL DEFAULT 0,
    last_event_id bigint NOT NULL DEFAULT 0
);

CREATE TABLE system_event (
    org_key     int         NOT NULL,
    seq         int         NOT NULL,
    event_id    bigint      NOT NULL,
    type        text        NOT NULL,
    title       text        NOT NULL,
    payload     jsonb,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (org_key, seq),
    UNIQUE (org_key, event_id)
);

-- The large table. The order of its columns leaves no padding: 96 bytes a mark with its index.
CREATE TABLE read_mark (
    member_key bigint      NOT NULL,
    read_at    timestamptz NOT NULL DEFAULT now(),
    org_key    int         NOT NULL,
    seq        int         NOT NULL,
    PRIMARY KEY (member_key, org_key, seq)
);
