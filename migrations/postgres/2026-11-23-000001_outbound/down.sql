DROP TABLE delivery_attempts;
DROP TABLE deliveries;
DROP TABLE messages;
DROP TABLE webhook_endpoints;
DROP TABLE outbound_turns;
DROP INDEX outbox_unannounced;
ALTER TABLE outbox DROP COLUMN announced;
