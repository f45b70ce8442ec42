-- Instead of: DELETE, which writes a dead version of each row and leaves the table as big as it was
-- claim: answers False: SELECT coalesce(pg_relation_size(to_regclass('webhook_deliveries_2025_01')), 0) = 0

DELETE FROM webhook_deliveries
WHERE delivered_at >= '2025-01-01 00:00:00+00' AND delivered_at < '2025-02-01 00:00:00+00';
