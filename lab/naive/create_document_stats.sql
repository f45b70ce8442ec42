-- Instead of: WITH NO DATA, after which every SELECT fails until the first REFRESH
-- claim: refuses, 55000: SELECT documents, total_size FROM document_stats LIMIT 1

CREATE MATERIALIZED VIEW document_stats AS
    SELECT user_id, count(*) AS documents, sum(file_size)::bigint AS total_size, max(created_at) AS latest
    FROM documents WHERE deleted_at IS NULL GROUP BY user_id
    WITH NO DATA;

CREATE UNIQUE INDEX uq_document_stats_user_id ON document_stats (user_id);
