ALTER TABLE refunds DROP COLUMN key_since;
ALTER TABLE refunds DROP COLUMN key_number;
