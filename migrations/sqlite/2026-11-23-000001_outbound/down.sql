DROP TABLE delivery_attempts;
DROP TABLE deliveries;
DROP TABLE messages;
DROP TABLE webhook_endpoints;
DROP TABLE outbound_locks;
DROP INDEX outbox_unpublished;
ALTER TABLE outbox DROP COLUMN published;
