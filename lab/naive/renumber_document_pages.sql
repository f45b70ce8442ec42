-- Instead of: DELETE … WHERE id NOT IN (SELECT min(id) …), which loses text; and up to PostgreSQL 18 there
--     is no min(uuid)
-- claim: loses document_pages

DELETE FROM document_pages WHERE id NOT IN (
    SELECT (array_agg(id ORDER BY id))[1] FROM document_pages GROUP BY document_id, page_number
);
