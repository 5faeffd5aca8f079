-- Ids and enums are text, amounts are minor units, times are UTC. What only our own code writes as a whole
-- (lines, addresses, merged facts) is one JSON document.

CREATE TABLE products (
    id          text PRIMARY KEY,
    name        text NOT NULL,
    description text,
    unit_amount bigint NOT NULL CHECK (unit_amount >= 0),
    currency    text NOT NULL,
    active      boolean NOT NULL,
    metadata    jsonb NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);

-- status, review_reason, amount_paid and current_payment_id are a cache of what follows from the
-- order's payments and decisions; only the function that derives them writes them. No column that payments
-- change is in an index, so that these updates stay within their page.
CREATE TABLE orders (
    id                 text PRIMARY KEY,
    lines              jsonb NOT NULL,
    amount_total       bigint NOT NULL CHECK (amount_total > 0),
    currency           text NOT NULL,
    customer_email     text,
    customer_name      text,
    customer_reference text,
    shipping           jsonb,
    metadata           jsonb NOT NULL,
    client_address     text,
    status             text NOT NULL,
    review_reason      text,
    amount_paid        bigint NOT NULL DEFAULT 0,
    current_payment_id text,
    closing            text,
    version            bigint NOT NULL DEFAULT 1,
    outcome_version    bigint NOT NULL DEFAULT 0,
    details_version    bigint NOT NULL DEFAULT 1,
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX orders_by_customer_email ON orders (customer_email, id) WHERE customer_email IS NOT NULL;
CREATE INDEX orders_by_customer_reference ON orders (customer_reference, id) WHERE customer_reference IS NOT NULL;
CREATE INDEX orders_by_client_address ON orders (client_address, created_at) WHERE client_address IS NOT NULL;
CREATE INDEX orders_by_creation ON orders (created_at);

-- One row for each PaymentIntent, or the intention to make one, recorded before Stripe hears of it.
-- `account` is empty for the platform's own. `request` is what is sent to Stripe, frozen.
CREATE TABLE payments (
    id                 text PRIMARY KEY,
    order_id           text NOT NULL REFERENCES orders (id),
    account            text NOT NULL DEFAULT '',
    mode               text NOT NULL,
    amount             bigint NOT NULL,
    currency           text NOT NULL,
    application_fee    bigint,
    capture_method     text NOT NULL,
    payment_intent_id  text,
    client_secret_hash text,
    facts              jsonb NOT NULL,
    refused            text,
    closed             boolean NOT NULL DEFAULT false,
    request            text NOT NULL,
    sent_details_version       bigint NOT NULL,
    resume_at         timestamptz,
    resume_count           integer NOT NULL DEFAULT 0,
    created_at         timestamptz NOT NULL,
    CONSTRAINT payments_one_per_payment_intent UNIQUE (account, payment_intent_id)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX payments_one_live_per_order ON payments (order_id) WHERE NOT closed;
CREATE INDEX payments_by_order ON payments (order_id);
CREATE INDEX payments_by_payment_intent ON payments (payment_intent_id);
CREATE INDEX payments_to_resume ON payments (resume_at) WHERE resume_at IS NOT NULL;

-- Each kind of decision is made once for an order, for good.
CREATE TABLE decisions (
    order_id   text NOT NULL REFERENCES orders (id),
    kind       text NOT NULL,
    subject    text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (order_id, kind)
);

-- Verified events, with the bytes as they came. An event id is taken once.
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

-- What the shop's own systems are to be told, written in the transaction that changed the order.
CREATE TABLE outbox (
    id         text PRIMARY KEY,
    order_id   text NOT NULL REFERENCES orders (id),
    kind       text NOT NULL,
    subject    text NOT NULL,
    sequence   bigint NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT outbox_once UNIQUE (order_id, kind, subject)
);

-- Answers to requests with an Idempotency-Key. Without a status the request is in flight until the lease ends.
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
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

CREATE TABLE secret_keys (
    id         text PRIMARY KEY,
    name       text NOT NULL,
    hash       text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);
