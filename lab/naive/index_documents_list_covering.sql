-- Instead of: title as a column of the key, by which the index would also sort, and a UNIQUE would compare
-- transaction: none
-- given: INSERT INTO documents (user_id, title, file_size, created_at) SELECT user_id, repeat(md5(n::text),
--     7), 1, '2024-12-01' FROM (SELECT user_id FROM documents LIMIT 1) AS d, generate_series(1, 5000) AS n
-- claim: makes idx_documents_list larger than idx_documents_list

CREATE INDEX CONCURRENTLY idx_documents_list ON documents (created_at, title) INCLUDE (user_id)
    WHERE deleted_at IS NULL;
