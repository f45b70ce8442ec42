-- Instead of: a B-tree with an entry for each row, hundreds of times as large
-- transaction: none
-- given: INSERT INTO audit_logs (user_id, action, timestamp) SELECT (SELECT id FROM users LIMIT 1),
--     'document.read', timestamptz '2025-01-01' + n * interval '1 second' FROM generate_series(1, 20000) AS n
-- claim: makes idx_audit_logs_timestamp larger than idx_audit_logs_timestamp_brin

DROP INDEX CONCURRENTLY IF EXISTS idx_audit_logs_timestamp;

CREATE INDEX CONCURRENTLY idx_audit_logs_timestamp ON audit_logs (timestamp);
