-- Instead of: jsonb_ops, the default, which also keeps every key, although queries use only `@>`
-- transaction: none
-- given: INSERT INTO documents (user_id, title, file_size, metadata) SELECT user_id, '', 1,
--     jsonb_build_object('language', n::text, 'scanner', jsonb_build_object('dpi', n)) FROM (SELECT user_id
--     FROM documents LIMIT 1) AS d, generate_series(1, 5000) AS n
-- claim: makes idx_documents_metadata larger than idx_documents_metadata

CREATE INDEX CONCURRENTLY idx_documents_metadata ON documents USING gin (metadata);
