ALTER TABLE orders DROP COLUMN has_refunds_or_disputes;
