-- Instead of: DROP and ADD FOREIGN KEY, which scans all of audit_logs while no session can read or write it
-- claim: blocks reads of audit_logs while it scans audit_logs

ALTER TABLE audit_logs ALTER COLUMN user_id DROP NOT NULL;

ALTER TABLE audit_logs DROP CONSTRAINT fk_audit_logs_user_id;

ALTER TABLE audit_logs ADD CONSTRAINT fk_audit_logs_user_id
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE SET NULL;
