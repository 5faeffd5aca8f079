-- Under which idempotency key Stripe is asked for a refund: its number, and from when on that may have been done; null:
-- since the refund was recorded. A refund gets its next key only when nothing can come of the one before any more.

ALTER TABLE refunds ADD COLUMN key_number integer NOT NULL DEFAULT 0;
ALTER TABLE refunds ADD COLUMN key_since timestamptz;
