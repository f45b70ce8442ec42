-- Instead of: one revision a month, until a month is forgotten
-- claim: answers webhook_deliveries_default: INSERT INTO webhook_deliveries (webhook_id, event) SELECT id, 'late'
--     FROM webhooks LIMIT 1 RETURNING tableoid::regclass
-- rather: SELECT make_webhook_deliveries_partitions(3); INSERT INTO webhook_deliveries (webhook_id, event) SELECT
--     id, 'late' FROM webhooks LIMIT 1 RETURNING tableoid::regclass

LOCK TABLE webhooks, ONLY webhook_deliveries IN ACCESS EXCLUSIVE MODE;

CREATE TABLE webhook_deliveries_2025_03 (
    LIKE webhook_deliveries INCLUDING DEFAULTS,
    CONSTRAINT pk_webhook_deliveries_2025_03 PRIMARY KEY (id, delivered_at),
    CONSTRAINT month CHECK (delivered_at >= '2025-03-01 00:00:00+00' AND delivered_at < '2025-04-01 00:00:00+00')
);

WITH moved AS (
    DELETE FROM webhook_deliveries_default
    WHERE delivered_at >= '2025-03-01 00:00:00+00' AND delivered_at < '2025-04-01 00:00:00+00'
    RETURNING *
)
INSERT INTO webhook_deliveries_2025_03 SELECT * FROM moved;

CREATE INDEX idx_webhook_deliveries_2025_03_webhook_id_delivered_at
    ON webhook_deliveries_2025_03 (webhook_id, delivered_at);

ALTER TABLE webhook_deliveries ATTACH PARTITION webhook_deliveries_2025_03
    FOR VALUES FROM ('2025-03-01 00:00:00+00') TO ('2025-04-01 00:00:00+00');

ALTER TABLE webhook_deliveries_2025_03 DROP CONSTRAINT month;
