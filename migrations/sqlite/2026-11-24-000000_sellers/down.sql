DELETE FROM messages WHERE seller_id IS NOT NULL;
ALTER TABLE messages DROP COLUMN seller_id;
CREATE TABLE old_outbox (
    id         text PRIMARY KEY,
    order_id   text NOT NULL REFERENCES orders (id),
    kind       text NOT NULL,
    subject    text NOT NULL,
    sequence   bigint NOT NULL,
    created_at text NOT NULL,
    published  boolean NOT NULL DEFAULT 0,
    CONSTRAINT outbox_once UNIQUE (order_id, kind, subject)
);
INSERT INTO old_outbox (id, order_id, kind, subject, sequence, created_at, published)
    SELECT id, order_id, kind, subject, sequence, created_at, published FROM outbox WHERE order_id IS NOT NULL;
DROP TABLE outbox;
ALTER TABLE old_outbox RENAME TO outbox;
CREATE INDEX outbox_unpublished ON outbox (id) WHERE NOT published;
ALTER TABLE refunds DROP COLUMN refund_application_fee;
ALTER TABLE refunds DROP COLUMN reverse_transfer;
ALTER TABLE payments DROP COLUMN destination;
DROP INDEX orders_by_seller;
ALTER TABLE orders DROP COLUMN application_fee;
ALTER TABLE orders DROP COLUMN charge_type;
ALTER TABLE orders DROP COLUMN seller_account;
ALTER TABLE orders DROP COLUMN seller_id;
ALTER TABLE products DROP COLUMN stripe_product_id;
ALTER TABLE products DROP COLUMN seller_id;
DROP TABLE oauth_states;
DELETE FROM event_backfills WHERE name <> 'events';
DROP TABLE sellers;
