-- Instead of: dropping the old one first, after which every query scans the table until the new one is
--     built
-- transaction: none
-- look: 2
-- claim: plans Seq Scan on documents: SELECT id FROM documents WHERE user_id =
--     '00000000-0000-0000-0000-000000000000'

DROP INDEX CONCURRENTLY idx_documents_user_id;

DROP INDEX CONCURRENTLY idx_documents_user_id_created_at;

CREATE INDEX CONCURRENTLY idx_documents_user_id_created_at_id ON documents (user_id, created_at, id);
