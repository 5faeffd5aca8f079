-- Which Stripe account the data is of, for each mode: that of the first key that was seen. Nothing else of it can be
-- found with the key of another account.
CREATE TABLE stripe_accounts (
    mode          text PRIMARY KEY,
    account_id    text NOT NULL,
    first_seen_at timestamptz NOT NULL
);
