-- Sellers: connected accounts through which a platform sells, and what of its orders and payments is theirs. What
-- stands here beside a program of the version before: what that one inserts is the platform's own.

-- `account_id` is null until Stripe has made the account; `request` is what asks it to, frozen. `state` is what Stripe
-- said of the account; `seen_s`, `told_s` and `linked_s` are seconds at its clock: from which that is, of the latest
-- event, and in which the platform was let in. `check_at` is when Stripe is to be asked next, and while somebody
-- does so, until when nobody else does; `checks` counts how often that was begun and came to nothing since.
CREATE TABLE sellers (
    id               text PRIMARY KEY,
    account_id       text,
    mode             text NOT NULL,
    origin           text NOT NULL,
    connection_status             text NOT NULL,
    unlink_forced    boolean NOT NULL,
    charge_type      text NOT NULL,
    fee_basis_points integer NOT NULL CHECK (fee_basis_points BETWEEN 0 AND 10000),
    fee_fixed        bigint NOT NULL CHECK (fee_fixed >= 0),
    fee_minimum      bigint NOT NULL CHECK (fee_minimum >= 0),
    reference        text,
    metadata         jsonb NOT NULL,
    state            jsonb,
    snapshot_at_s           bigint NOT NULL,
    last_event_at_s           bigint NOT NULL,
    connected_at_s         bigint NOT NULL,
    request          text,
    checked_at       timestamptz,
    check_at         timestamptz,
    checks           integer NOT NULL,
    version          bigint NOT NULL,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    CONSTRAINT sellers_one_per_account UNIQUE (account_id)
);
CREATE INDEX sellers_by_reference ON sellers (reference, id) WHERE reference IS NOT NULL;
CREATE INDEX sellers_to_check ON sellers (check_at) WHERE check_at IS NOT NULL;

-- What was asked of whoever is to come back from Stripe: hashes only. Each is used once.
CREATE TABLE oauth_states (
    state_hash   text PRIMARY KEY,
    binding_hash text NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    used_at      timestamptz
);
CREATE INDEX oauth_states_by_expiry ON oauth_states (expires_at);

-- NULL: the platform's own. `stripe_product_id` is the product on its seller's account.
ALTER TABLE products ADD COLUMN seller_id text REFERENCES sellers (id);
ALTER TABLE products ADD COLUMN stripe_product_id text;

-- Through whom it is sold and on which terms, as they were when the order was priced. No reference: whoever places an
-- order would wait for whoever changes its seller.
ALTER TABLE orders ADD COLUMN seller_id text;
ALTER TABLE orders ADD COLUMN seller_account text;
ALTER TABLE orders ADD COLUMN charge_type text;
ALTER TABLE orders ADD COLUMN application_fee bigint;
CREATE INDEX orders_by_seller ON orders (seller_id, id) WHERE seller_id IS NOT NULL;

ALTER TABLE payments ADD COLUMN destination text;

ALTER TABLE refunds ADD COLUMN reverse_transfer boolean NOT NULL DEFAULT false;
ALTER TABLE refunds ADD COLUMN refund_application_fee boolean NOT NULL DEFAULT false;

-- What is told is about an order or about a seller. Of a seller, the subject is its version.
ALTER TABLE outbox ALTER COLUMN order_id DROP NOT NULL;
ALTER TABLE outbox ADD COLUMN seller_id text REFERENCES sellers (id);
ALTER TABLE outbox ADD CONSTRAINT outbox_about_one CHECK ((order_id IS NULL) <> (seller_id IS NULL));
CREATE UNIQUE INDEX outbox_once_of_seller ON outbox (seller_id, kind, subject) WHERE seller_id IS NOT NULL;

ALTER TABLE messages ADD COLUMN seller_id text;
