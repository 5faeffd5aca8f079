-- Events to the shop's own systems. A row of `outbox` becomes a message, with its payload as it is sent every time,
-- and one delivery for each endpoint that was to hear of it when the message was made.

ALTER TABLE outbox ADD COLUMN published boolean NOT NULL DEFAULT false;
-- Only what is new is in it, so it stays as small as the backlog.
CREATE INDEX outbox_unpublished ON outbox (id) WHERE NOT published;

-- Whoever holds the lock on a row does that work; all others leave it to them.
CREATE TABLE outbound_locks (
    work text PRIMARY KEY
);
INSERT INTO outbound_locks (work) VALUES ('publish');

-- `secrets` must be usable: they sign. A removed endpoint stays until its deliveries are forgotten, without secrets.
CREATE TABLE webhook_endpoints (
    id              text PRIMARY KEY,
    url             text NOT NULL,
    description     text,
    event_types     jsonb NOT NULL,
    secrets         jsonb NOT NULL,
    enabled         boolean NOT NULL,
    disabled_reason text,
    failing_since   timestamptz,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    removed_at      timestamptz
);

CREATE TABLE messages (
    id         text PRIMARY KEY,
    order_id   text,
    kind       text NOT NULL,
    sequence   bigint,
    payload    text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX messages_by_order ON messages (order_id, id) WHERE order_id IS NOT NULL;
CREATE INDEX messages_by_creation ON messages (created_at);

-- One message to one endpoint. `due_at` is when the next attempt may begin, and null once there is none.
-- `holds_back` is the order whose later messages to this endpoint wait: until the first attempt has ended.
-- `tries` counts attempts since it was last asked for, `attempts` all there ever were. Taking a row on changes
-- no column that is in an index, so that it stays within its page.
CREATE TABLE deliveries (
    message_id  text NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    endpoint_id text NOT NULL REFERENCES webhook_endpoints (id),
    sequence    bigint,
    state       text NOT NULL,
    attempts    integer NOT NULL DEFAULT 0,
    tries       integer NOT NULL DEFAULT 0,
    due_at      timestamptz,
    holds_back  text,
    claim       text,
    lease_until timestamptz,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (message_id, endpoint_id)
) WITH (fillfactor = 70);
CREATE INDEX deliveries_due ON deliveries (endpoint_id, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_holding_back ON deliveries (endpoint_id, holds_back, sequence) WHERE holds_back IS NOT NULL;

-- What came of each attempt; `answer` is the first KB of what was answered.
CREATE TABLE delivery_attempts (
    message_id  text NOT NULL,
    endpoint_id text NOT NULL,
    number      integer NOT NULL,
    outcome     text NOT NULL,
    status      integer,
    answer      text,
    duration_ms bigint NOT NULL,
    at          timestamptz NOT NULL,
    PRIMARY KEY (message_id, endpoint_id, number),
    FOREIGN KEY (message_id, endpoint_id) REFERENCES deliveries (message_id, endpoint_id) ON DELETE CASCADE
);
