-- Instead of: DROP VIEW … CASCADE and CREATE VIEW, which loses privileges and dependent views
-- given: CREATE VIEW active_invoices AS SELECT id FROM active_documents WHERE title LIKE 'Invoice%'; GRANT
--     SELECT ON active_documents TO PUBLIC
-- claim: breaks running code, 42P01: SELECT count(*) FROM active_invoices
-- claim: answers False: SELECT has_table_privilege('pg_monitor', 'active_documents', 'SELECT')

DROP VIEW active_documents CASCADE;

CREATE VIEW active_documents WITH (security_invoker = true) AS
    SELECT id, user_id, title, status, created_at, priority FROM documents WHERE deleted_at IS NULL;
