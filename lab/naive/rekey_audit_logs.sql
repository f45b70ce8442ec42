-- Instead of: ADD PRIMARY KEY (id, timestamp), which builds the index while nobody can read or write
-- claim: blocks reads of audit_logs while it builds pk_audit_logs

ALTER TABLE audit_logs DROP CONSTRAINT pk_audit_logs, ADD CONSTRAINT pk_audit_logs PRIMARY KEY (id, timestamp);
