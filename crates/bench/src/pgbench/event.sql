\set i :i + 1
\if :i % :round = 0
\set redelivered 1
\else
\set redelivered 0
\set n :n + 1
\endif
\set number :first + :client_id * :each + :n
\set scrambled :number * 2654435761 % 4294967296
BEGIN;
INSERT INTO inbox (event_id, kind, account, mode, created, payload, outcome, reason, order_id, received_at) VALUES ('evt_' || lpad(:scrambled::text, 24, '0'), 'payment_intent.succeeded', '', 'test', 1795370000, convert_to(:payload, 'UTF8'), 'applied', NULL, 'ord_' || lpad(:number::text, 26, '0'), now()) ON CONFLICT DO NOTHING;
\if :redelivered = 0
SELECT orders.*, payments.* FROM payments JOIN orders ON orders.id = payments.order_id WHERE payments.payment_intent_id = 'pi_' || lpad(:scrambled::text, 24, '0') FOR UPDATE OF orders;
UPDATE payments SET facts = :facts, resume_at = NULL, resume_count = 0 WHERE id = 'pay_' || lpad(:number::text, 26, '0');
INSERT INTO decisions (order_id, kind, subject, created_at) VALUES ('ord_' || lpad(:number::text, 26, '0'), 'accepted', 'pay_' || lpad(:number::text, 26, '0'), now());
UPDATE orders SET status = 'paid', amount_paid = 2500, version = version + 1, outcome_version = version + 1, updated_at = now() WHERE id = 'ord_' || lpad(:number::text, 26, '0');
INSERT INTO outbox (id, order_id, kind, subject, sequence, created_at, published) VALUES ('msg_p' || lpad(:number::text, 25, '0'), 'ord_' || lpad(:number::text, 26, '0'), 'order.paid', '', 3, now(), true) ON CONFLICT DO NOTHING;
\endif
COMMIT;
