-- Instead of: CREATE TABLE … PARTITION OF, which fails on rows that are in DEFAULT
-- claim: fails 23514

CREATE TABLE webhook_deliveries_2025_02 PARTITION OF webhook_deliveries
    FOR VALUES FROM ('2025-02-01 00:00:00+00') TO ('2025-03-01 00:00:00+00');
