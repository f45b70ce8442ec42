-- Instead of: CREATE INDEX on the parent, under which writes to all partitions wait until all are built
-- claim: blocks writes of webhook_deliveries while it builds idx_webhook_deliveries_webhook_id_delivered_at

CREATE INDEX idx_webhook_deliveries_webhook_id_delivered_at
    ON webhook_deliveries (webhook_id, delivered_at);
