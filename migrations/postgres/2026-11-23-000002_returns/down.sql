ALTER TABLE orders DROP COLUMN has_returns;
