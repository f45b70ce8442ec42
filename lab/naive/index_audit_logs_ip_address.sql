-- Instead of: a B-tree, which a join with a table of networks cannot use
-- transaction: none
-- claim: plans Seq Scan on audit_logs: SELECT a.id FROM (VALUES ('10.1.0.0/16'::inet), ('10.2.0.0/16')) AS n
--     (network) JOIN audit_logs AS a ON a.ip_address <<= n.network

CREATE INDEX CONCURRENTLY idx_audit_logs_ip_address ON audit_logs (ip_address);
