DROP TABLE secret_keys;
DROP TABLE idempotency_keys;
DROP TABLE outbox;
DROP TABLE inbox;
DROP TABLE decisions;
DROP TABLE payments;
DROP TABLE orders;
DROP TABLE products;
