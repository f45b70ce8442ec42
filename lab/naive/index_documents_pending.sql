-- Instead of: an index on the whole column, most of which no query ever looks up
-- transaction: none
-- given: INSERT INTO documents (user_id, title, file_size, status, created_at) SELECT user_id, '', 1,
--     'completed', timestamptz '2024-12-01' + n * interval '1 s' FROM (SELECT user_id FROM documents LIMIT 1)
--     AS d, generate_series(1, 5000) AS n
-- claim: makes idx_documents_status_created_at larger than idx_documents_pending

CREATE INDEX CONCURRENTLY idx_documents_status_created_at ON documents (status, created_at);
