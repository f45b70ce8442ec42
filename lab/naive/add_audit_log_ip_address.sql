-- Instead of: varchar(45), in which 10.0.0.9 comes after 10.0.0.10 and "unknown" is an address
-- claim: accepts: UPDATE audit_logs SET ip_address = 'unknown'
-- claim: answers 10.0.0.10: SELECT address FROM (SELECT '10.0.0.9' AS address UNION ALL SELECT '10.0.0.10')
--     AS t ORDER BY (jsonb_populate_record(NULL::audit_logs, jsonb_build_object('ip_address',
--     address))).ip_address LIMIT 1

ALTER TABLE audit_logs ADD COLUMN ip_address varchar(45);
