-- Instead of: copying all rows into a partitioned table, while writes wait and the disk holds both
-- claim: blocks writes of audit_logs while it scans audit_logs

LOCK TABLE audit_logs IN SHARE MODE;

CREATE TABLE new_audit_logs (
    LIKE audit_logs INCLUDING DEFAULTS INCLUDING COMMENTS,
    CONSTRAINT pk_new_audit_logs PRIMARY KEY (id, timestamp)
) PARTITION BY RANGE (timestamp);

CREATE TABLE audit_logs_default PARTITION OF new_audit_logs DEFAULT;

INSERT INTO new_audit_logs SELECT * FROM audit_logs;
