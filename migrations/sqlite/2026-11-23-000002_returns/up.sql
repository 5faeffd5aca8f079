-- Whether there is any refund or dispute of an order, so that what has none costs no look for them. It is set in the
-- transaction that inserts the first, and in no index, so that updates of an order stay within their page.

ALTER TABLE orders ADD COLUMN has_refunds_or_disputes boolean NOT NULL DEFAULT 0;
UPDATE orders SET has_refunds_or_disputes = 1 WHERE id IN (SELECT order_id FROM refunds UNION SELECT order_id FROM disputes);
