-- Stock, expiry, Checkout Sessions, captures, refunds and disputes. What stands here beside a program of the version
-- before: what that one inserts has a default, and it reads nothing that is new.

-- NULL: not counted.
ALTER TABLE products ADD COLUMN stock bigint CHECK (stock >= 0);

-- check_at says when an order is to be looked at again. What payments change leaves it alone: a paid order keeps
-- its time, and whoever comes by then finds nothing left to do. holds is the counted stock that the order took.
ALTER TABLE orders ADD COLUMN amount_refunded bigint NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN expires_at timestamptz NOT NULL DEFAULT (now() + interval '35 minutes');
ALTER TABLE orders ADD COLUMN check_at timestamptz DEFAULT (now() + interval '35 minutes');
ALTER TABLE orders ADD COLUMN holds jsonb NOT NULL DEFAULT '[]';
UPDATE orders SET
    expires_at = created_at + interval '35 minutes',
    check_at = CASE WHEN status IN ('pending', 'payment_failed', 'processing', 'authorized')
                    THEN created_at + interval '35 minutes' END;
CREATE INDEX orders_to_check ON orders (check_at) WHERE check_at IS NOT NULL;

ALTER TABLE payments ADD COLUMN flow text NOT NULL DEFAULT 'payment_intent';
ALTER TABLE payments ADD COLUMN checkout_session_id text;
ALTER TABLE payments ADD COLUMN capture bigint;
ALTER TABLE payments ADD COLUMN abandoned boolean NOT NULL DEFAULT false;
ALTER TABLE payments ADD COLUMN request_params text NOT NULL DEFAULT '';
CREATE UNIQUE INDEX payments_one_per_checkout_session ON payments (checkout_session_id, account)
    WHERE checkout_session_id IS NOT NULL;

-- One row for each refund: recorded before Stripe hears of it, or heard of from Stripe.
CREATE TABLE refunds (
    id               text PRIMARY KEY,
    order_id         text NOT NULL REFERENCES orders (id),
    payment_id       text NOT NULL REFERENCES payments (id),
    account          text NOT NULL,
    amount           bigint NOT NULL,
    currency         text NOT NULL,
    reason           text,
    cause            text NOT NULL,
    stripe_refund_id text,
    facts            jsonb NOT NULL,
    refused          text,
    resume_at       timestamptz,
    resume_count         integer NOT NULL DEFAULT 0,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL
);
CREATE UNIQUE INDEX refunds_one_per_stripe_refund ON refunds (stripe_refund_id, account)
    WHERE stripe_refund_id IS NOT NULL;
-- What nobody asked for is given back once, unless Stripe refused it.
CREATE UNIQUE INDEX refunds_one_automatic_per_cause ON refunds (payment_id, cause)
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
    CONSTRAINT disputes_one_per_stripe_dispute UNIQUE (stripe_dispute_id, account)
);
CREATE INDEX disputes_by_order ON disputes (order_id);

-- What Stripe was asked, for the timeline of an order: no bodies.
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

-- How far a list of Stripe's was walked, and until when somebody walks it.
CREATE TABLE event_backfills (
    name        text PRIMARY KEY,
    seen_until  timestamptz,
    lease_until timestamptz
);
INSERT INTO event_backfills (name) VALUES ('events');

-- Rows to be locked and nothing else: whoever places an order without credentials takes the one that its address
-- falls on, so that the open orders of an address are counted by one transaction at a time.
CREATE TABLE address_locks (
    slot integer PRIMARY KEY
);
INSERT INTO address_locks (slot) VALUES
    (0), (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11), (12), (13), (14), (15),
    (16), (17), (18), (19), (20), (21), (22), (23), (24), (25), (26), (27), (28), (29), (30), (31),
    (32), (33), (34), (35), (36), (37), (38), (39), (40), (41), (42), (43), (44), (45), (46), (47),
    (48), (49), (50), (51), (52), (53), (54), (55), (56), (57), (58), (59), (60), (61), (62), (63);
