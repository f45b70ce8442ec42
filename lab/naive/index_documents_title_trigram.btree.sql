-- Instead of: LIKE '%…%' without an index or with a B-tree, both of which read every title
-- transaction: none
-- claim: plans Seq Scan on documents: SELECT id FROM documents WHERE title LIKE '%voice%'

CREATE INDEX CONCURRENTLY idx_documents_title ON documents (title text_pattern_ops);
