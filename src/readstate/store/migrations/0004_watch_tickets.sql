-- Tickets that open a stream in place of a token. docs/decisions/0023-live.md says why.
--
-- A ticket is found by its hash alone, and lives for a minute: on a sharded database this is a table of one node.
CREATE TABLE watch_ticket (
    ticket_sha256    bytea            PRIMARY KEY,
    token_sha256     bytea            NOT NULL,
    user_id          text             NOT NULL,
    org_id           text,                       -- the token's own claim, if it has one
    scopes           text[]           NOT NULL,
    token_expires_at double precision NOT NULL,  -- seconds since the epoch, as in the token
    issued_at        timestamptz      NOT NULL DEFAULT now()
);
CREATE INDEX watch_ticket_issued_at_idx ON watch_ticket (issued_at);
