-- The schema of Quittance.
--
-- IDs and enums are text. Amounts are in minor units. Times are in UTC.
-- Structures that only Quittance reads, such as order lines and merged facts, are stored as one JSON document.

-- Sellers are connected accounts through which a platform sells.
--
-- `account_id` is null until Stripe has created the account. `request` is the frozen request that creates it. `state` is
-- the latest state of the account at Stripe. These columns are seconds of Stripe's clock: `snapshot_at_s` (when that
-- state was read), `last_event_at_s` (the latest event), and `connected_at_s` (when the platform got access).
-- `check_at` is when a worker reads the account next. While a worker does so, it is the end of the worker's lease.
-- `check_count` counts the checks since Stripe last answered.
CREATE TABLE sellers (
    id                text PRIMARY KEY,
    account_id        text,
    mode              text NOT NULL,
    origin            text NOT NULL,
    connection_status text NOT NULL,
    unlink_forced     boolean NOT NULL,
    charge_type       text NOT NULL,
    fee_basis_points  integer NOT NULL CHECK (fee_basis_points BETWEEN 0 AND 10000),
    fee_fixed         bigint NOT NULL CHECK (fee_fixed >= 0),
    fee_minimum       bigint NOT NULL CHECK (fee_minimum >= 0),
    reference         text,
    metadata          jsonb NOT NULL,
    state             jsonb,
    snapshot_at_s     bigint NOT NULL,
    last_event_at_s   bigint NOT NULL,
    connected_at_s    bigint NOT NULL,
    request           text,
    checked_at        timestamptz,
    check_at          timestamptz,
    check_count       integer NOT NULL,
    version           bigint NOT NULL,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    CONSTRAINT sellers_unique_account UNIQUE (account_id)
);
CREATE INDEX sellers_by_reference ON sellers (reference, id) WHERE reference IS NOT NULL;
CREATE INDEX sellers_to_check ON sellers (check_at) WHERE check_at IS NOT NULL;

-- OAuth states that wait for their callback. Only hashes are stored. Each state is used once.
CREATE TABLE oauth_states (
    state_hash   text PRIMARY KEY,
    binding_hash text NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    used_at      timestamptz
);
CREATE INDEX oauth_states_by_expiry ON oauth_states (expires_at);

-- `stock` is null if the product's stock isn't counted. `seller_id` is null if the platform itself sells the product.
-- `stripe_product_id` is the matching product on the seller's account.
CREATE TABLE products (
    id                text PRIMARY KEY,
    name              text NOT NULL,
    description       text,
    unit_amount       bigint NOT NULL CHECK (unit_amount >= 0),
    currency          text NOT NULL,
    active            boolean NOT NULL,
    stock             bigint CHECK (stock >= 0),
    seller_id         text REFERENCES sellers (id),
    stripe_product_id text,
    metadata          jsonb NOT NULL,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL
);

-- `status`, `review_reason`, `amount_paid`, `amount_refunded` and `current_payment_id` are a cache. They are derived from
-- the order's payments, refunds, disputes and decisions, and only that derivation writes them. No index
-- covers a column that payments change, so these updates stay within their page.
-- `seller_id`, `seller_account`, `charge_type` and `application_fee` are the seller's terms when the order was priced.
-- `seller_id` has no foreign key: with one, placing an order would wait for changes to its seller.
-- `held_stock` is the counted stock that the order took. `check_at` is when a worker compares the order with Stripe next.
-- Payments don't change `check_at`; a worker that finds a paid order has nothing to do.
-- `has_refunds_or_disputes` is set by the transaction that inserts the first refund or dispute. Orders without it need
-- no further reads.
CREATE TABLE orders (
    id                      text PRIMARY KEY,
    lines                   jsonb NOT NULL,
    amount_total            bigint NOT NULL CHECK (amount_total > 0),
    currency                text NOT NULL,
    seller_id               text,
    seller_account          text,
    charge_type             text,
    application_fee         bigint,
    customer_email          text,
    customer_name           text,
    customer_reference      text,
    shipping                jsonb,
    metadata                jsonb NOT NULL,
    client_address          text,
    status                  text NOT NULL,
    review_reason           text,
    amount_paid             bigint NOT NULL DEFAULT 0,
    amount_refunded         bigint NOT NULL DEFAULT 0,
    current_payment_id      text,
    closing                 text,
    version                 bigint NOT NULL DEFAULT 1,
    outcome_version         bigint NOT NULL DEFAULT 0,
    details_version         bigint NOT NULL DEFAULT 1,
    held_stock              jsonb NOT NULL,
    expires_at              timestamptz NOT NULL,
    check_at                timestamptz,
    has_refunds_or_disputes boolean NOT NULL DEFAULT false,
    created_at              timestamptz NOT NULL,
    updated_at              timestamptz NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX orders_by_seller ON orders (seller_id, id) WHERE seller_id IS NOT NULL;
CREATE INDEX orders_by_customer_email ON orders (customer_email, id) WHERE customer_email IS NOT NULL;
CREATE INDEX orders_by_customer_reference ON orders (customer_reference, id) WHERE customer_reference IS NOT NULL;
CREATE INDEX orders_by_client_address ON orders (client_address, created_at) WHERE client_address IS NOT NULL;
CREATE INDEX orders_by_creation ON orders (created_at);
CREATE INDEX orders_to_check ON orders (check_at) WHERE check_at IS NOT NULL;

-- One row per payment attempt: a PaymentIntent or a Checkout Session, recorded before Stripe creates it.
--
-- `account` is empty for the platform's own account. `request` is the frozen request to Stripe. `request_params` are the
-- caller's parameters, in a form that can be compared. `capture` is the amount that the shop captures. `refused` is why
-- Stripe doesn't create the attempt, or why the attempt can't be reached. `abandoned` asks a worker to close the attempt.
-- `resume_at` is when a worker continues the attempt.
CREATE TABLE payments (
    id                   text PRIMARY KEY,
    order_id             text NOT NULL REFERENCES orders (id),
    flow                 text NOT NULL,
    request_params       text NOT NULL,
    account              text NOT NULL DEFAULT '',
    mode                 text NOT NULL,
    amount               bigint NOT NULL,
    currency             text NOT NULL,
    application_fee      bigint,
    destination          text,
    capture_method       text NOT NULL,
    payment_intent_id    text,
    checkout_session_id  text,
    client_secret_hash   text,
    facts                jsonb NOT NULL,
    capture              bigint,
    abandoned            boolean NOT NULL DEFAULT false,
    refused              text,
    closed               boolean NOT NULL DEFAULT false,
    request              text NOT NULL,
    sent_details_version bigint NOT NULL,
    resume_at            timestamptz,
    resume_count         integer NOT NULL DEFAULT 0,
    created_at           timestamptz NOT NULL,
    CONSTRAINT payments_unique_payment_intent UNIQUE (account, payment_intent_id)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX payments_unique_checkout_session ON payments (checkout_session_id, account)
    WHERE checkout_session_id IS NOT NULL;
CREATE UNIQUE INDEX payments_unique_live_per_order ON payments (order_id) WHERE NOT closed;
CREATE INDEX payments_by_order ON payments (order_id);
CREATE INDEX payments_by_payment_intent ON payments (payment_intent_id);
CREATE INDEX payments_to_resume ON payments (resume_at) WHERE resume_at IS NOT NULL;

-- One row per refund. Quittance records its own refunds before it sends them to Stripe, and adds those that Stripe
-- reports.
--
-- `key_number` selects the idempotency key of the request to Stripe. `key_since` is when that key may first have been
-- used; null means since `created_at`. A refund gets its next key once the previous one can no longer create a refund.
CREATE TABLE refunds (
    id                     text PRIMARY KEY,
    order_id               text NOT NULL REFERENCES orders (id),
    payment_id             text NOT NULL REFERENCES payments (id),
    account                text NOT NULL,
    amount                 bigint NOT NULL,
    currency               text NOT NULL,
    reason                 text,
    cause                  text NOT NULL,
    reverse_transfer       boolean NOT NULL DEFAULT false,
    refund_application_fee boolean NOT NULL DEFAULT false,
    stripe_refund_id       text,
    facts                  jsonb NOT NULL,
    refused                text,
    resume_at              timestamptz,
    resume_count           integer NOT NULL DEFAULT 0,
    key_number             integer NOT NULL DEFAULT 0,
    key_since              timestamptz,
    created_at             timestamptz NOT NULL,
    updated_at             timestamptz NOT NULL
);
CREATE UNIQUE INDEX refunds_unique_stripe_refund ON refunds (stripe_refund_id, account)
    WHERE stripe_refund_id IS NOT NULL;
-- Quittance makes each automatic refund once, unless Stripe refuses it.
CREATE UNIQUE INDEX refunds_unique_automatic ON refunds (payment_id, cause)
    WHERE cause IN ('surplus', 'review') AND refused IS NULL;
CREATE INDEX refunds_by_order ON refunds (order_id);
CREATE INDEX refunds_to_resume ON refunds (resume_at) WHERE resume_at IS NOT NULL;

CREATE TABLE disputes (
    id                text PRIMARY KEY,
    order_id          text NOT NULL REFERENCES orders (id),
    payment_id        text NOT NULL REFERENCES payments (id),
    account           text NOT NULL,
    stripe_dispute_id text NOT NULL,
    facts             jsonb NOT NULL,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    CONSTRAINT disputes_unique_stripe_dispute UNIQUE (stripe_dispute_id, account)
);
CREATE INDEX disputes_by_order ON disputes (order_id);

-- Decisions are final. Each order has at most one of each kind.
CREATE TABLE decisions (
    order_id   text NOT NULL REFERENCES orders (id),
    kind       text NOT NULL,
    subject    text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (order_id, kind)
);

-- Requests to Stripe, for the timeline of an order. Bodies aren't stored.
CREATE TABLE stripe_calls (
    id         text PRIMARY KEY,
    order_id   text NOT NULL REFERENCES orders (id),
    subject    text NOT NULL,
    operation  text NOT NULL,
    request_id text,
    error      text,
    at         timestamptz NOT NULL
);
CREATE INDEX stripe_calls_by_order ON stripe_calls (order_id);

-- The Stripe account that the data of each mode belongs to. The first key used in a mode determines it. A key of another
-- account can't find the recorded objects.
CREATE TABLE stripe_accounts (
    mode          text PRIMARY KEY,
    account_id    text NOT NULL,
    first_seen_at timestamptz NOT NULL
);

-- Verified Stripe events with their original bytes. Each event ID is stored once.
CREATE TABLE inbox (
    event_id    text PRIMARY KEY,
    kind        text NOT NULL,
    account     text NOT NULL,
    mode        text NOT NULL,
    created     bigint NOT NULL,
    payload     bytea NOT NULL,
    outcome     text NOT NULL,
    reason      text,
    order_id    text,
    received_at timestamptz NOT NULL
);
CREATE INDEX inbox_by_order ON inbox (order_id) WHERE order_id IS NOT NULL;
-- Events whose payload can be cleared after the retention period. Failed events keep theirs.
CREATE INDEX inbox_to_clear ON inbox (received_at) WHERE length(payload) > 0 AND outcome <> 'failed';

-- The progress of each event backfill through Stripe's list of events, and the lease of the process that runs it.
CREATE TABLE event_backfills (
    name        text PRIMARY KEY,
    seen_until  timestamptz,
    lease_until timestamptz
);
INSERT INTO event_backfills (name) VALUES ('events');

-- Events for the shop's systems, written by the transaction that changes the order or the seller. A seller event's
-- subject is the seller's version.
CREATE TABLE outbox (
    id         text PRIMARY KEY,
    order_id   text REFERENCES orders (id),
    seller_id  text REFERENCES sellers (id),
    kind       text NOT NULL,
    subject    text NOT NULL,
    sequence   bigint NOT NULL,
    created_at timestamptz NOT NULL,
    published  boolean NOT NULL DEFAULT false,
    CONSTRAINT outbox_order_or_seller CHECK ((order_id IS NULL) <> (seller_id IS NULL)),
    CONSTRAINT outbox_unique_order_event UNIQUE (order_id, kind, subject)
);
CREATE UNIQUE INDEX outbox_unique_seller_event ON outbox (seller_id, kind, subject) WHERE seller_id IS NOT NULL;
-- This index holds unpublished events only, so it stays small.
CREATE INDEX outbox_unpublished ON outbox (id) WHERE NOT published;

-- Each row is a lock. Only the process that holds it does that work.
CREATE TABLE outbound_locks (
    work text PRIMARY KEY
);
INSERT INTO outbound_locks (work) VALUES ('publish');

-- `secrets` are stored in plain text, because they sign messages. Removing an endpoint deletes its secrets. Its row stays
-- until its deliveries are deleted.
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

-- A published event with its payload. Every delivery attempt sends the same bytes.
CREATE TABLE messages (
    id         text PRIMARY KEY,
    order_id   text,
    seller_id  text,
    kind       text NOT NULL,
    sequence   bigint,
    payload    text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX messages_by_order ON messages (order_id, id) WHERE order_id IS NOT NULL;
CREATE INDEX messages_by_creation ON messages (created_at);

-- The delivery of a message to an endpoint.
--
-- `due_at` is when the next attempt may begin; null if no attempt will follow. `ordering_key` is the message's order or
-- seller until the first attempt has ended. Until then, later messages with the same key wait. `attempts` counts all
-- attempts. `attempts_since_resend` counts those since the message was created or last resent. Claiming a
-- delivery changes no indexed column, so the update stays within its page.
CREATE TABLE deliveries (
    message_id            text NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    endpoint_id           text NOT NULL REFERENCES webhook_endpoints (id),
    sequence              bigint,
    state                 text NOT NULL,
    attempts              integer NOT NULL DEFAULT 0,
    attempts_since_resend integer NOT NULL DEFAULT 0,
    due_at                timestamptz,
    ordering_key          text,
    claim                 text,
    lease_until           timestamptz,
    created_at            timestamptz NOT NULL,
    PRIMARY KEY (message_id, endpoint_id)
) WITH (fillfactor = 70);
CREATE INDEX deliveries_due ON deliveries (endpoint_id, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_by_ordering_key ON deliveries (endpoint_id, ordering_key, sequence)
    WHERE ordering_key IS NOT NULL;

-- `answer` is the first KB of the response.
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

-- Replies to requests with an Idempotency-Key. A row without `status` is a request in progress until its lease ends.
CREATE TABLE idempotency_keys (
    scope       text NOT NULL,
    key         text NOT NULL,
    fingerprint text NOT NULL,
    claim       text NOT NULL,
    lease_until timestamptz NOT NULL,
    status      integer,
    body        text,
    secret      text,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_keys_by_creation ON idempotency_keys (created_at);

CREATE TABLE secret_keys (
    id         text PRIMARY KEY,
    name       text NOT NULL,
    hash       text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);

-- Each row is a lock. A client without credentials locks the row that its address hashes to when it places an order.
-- So transactions that count the open orders of one address run one after another.
CREATE TABLE address_locks (
    slot integer PRIMARY KEY
);
INSERT INTO address_locks (slot) VALUES
    (0), (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11), (12), (13), (14), (15),
    (16), (17), (18), (19), (20), (21), (22), (23), (24), (25), (26), (27), (28), (29), (30), (31),
    (32), (33), (34), (35), (36), (37), (38), (39), (40), (41), (42), (43), (44), (45), (46), (47),
    (48), (49), (50), (51), (52), (53), (54), (55), (56), (57), (58), (59), (60), (61), (62), (63);
