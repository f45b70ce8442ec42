-- Instead of: ADD CHECK alone, which reads all audit logs while nobody can read or write them
-- claim: blocks reads of audit_logs while it scans audit_logs

ALTER TABLE audit_logs ADD CONSTRAINT ck_audit_logs_bound CHECK (timestamp < '2030-01-01 00:00:00+00');
