-- Instead of: DELETE … WHERE id NOT IN (SELECT min(id) …), which loses text; and up to PostgreSQL 18 there
--     is no min(uuid)
-- claim: fails 42883

DELETE FROM document_pages WHERE id NOT IN (
    SELECT min(id) FROM document_pages GROUP BY document_id, page_number
);
