-- Instead of: one DELETE, whose dead rows stay until its commit, or TRUNCATE, which takes all rows
-- given: INSERT INTO audit_logs (action, timestamp) SELECT 'document.read', '2020-01-01 00:00+00' FROM
--     generate_series(1, 1000)
-- claim: loses audit_logs
-- claim: blocks reads of audit_logs

TRUNCATE audit_logs;
