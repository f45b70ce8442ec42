-- Instead of: an index for each column: a query uses one of them, and sorts or filters the rest
-- transaction: none
-- given: INSERT INTO documents (user_id, title, file_size, created_at) SELECT id, '', 1, timestamptz
--     '2024-12-01' + n * interval '1 s' FROM users, generate_series(1, 100) AS n
-- claim: plans Filter: SELECT id FROM documents WHERE user_id = (SELECT id FROM users LIMIT 1) ORDER BY
--     created_at DESC LIMIT 20

CREATE INDEX CONCURRENTLY idx_documents_created_at ON documents (created_at);
