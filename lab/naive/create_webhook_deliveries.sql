-- Instead of: one table without partitions, whose old rows are removed by a DELETE that takes hours
-- claim: refuses, 42809: ALTER TABLE webhook_deliveries DETACH PARTITION webhook_deliveries_2025_01

CREATE TABLE webhook_deliveries (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    webhook_id uuid NOT NULL,
    event text NOT NULL,
    status_code integer,
    payload jsonb,
    delivered_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_webhook_deliveries PRIMARY KEY (id),
    CONSTRAINT fk_webhook_deliveries_webhook_id FOREIGN KEY (webhook_id) REFERENCES webhooks (id)
        ON DELETE CASCADE
);
